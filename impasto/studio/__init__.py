"""The studio: impasto in the browser, on one's own machine. It calls the library's verbs and knows nothing that they know.

    forms      what a form asks, made from the option dataclasses
    limits     what is taken from a browser, and what is said to it
    messages   what the studio and a worker say to each other
    worker     a process that paints, one order after the other
    workshop   the line of orders, and the workers that take from it
    stage      what is seen of a painting: preview, losses, time left, before and after
    look       colors, type and space
    fields     a form as Gradio's components
    area       what the tabs share that optimise a picture
    pictures   places to put a picture, and those that come with the package
    returning  what comes back from a picture that impasto painted
    history    going back to a kept step of a painting
    painting, dialing, instant, single, videos, teaching, gallery
               the tabs: Paint; Dial; Stylize; Texture and Reconstruct; Video; Train; Gallery
    service    the same verbs for programs
    server     the page and its address

Gradio comes with `pip install 'impasto[studio]'` and is imported when the studio is opened.
"""

import os

# No telemetry. Read when Gradio is imported, hence before anything else here
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
