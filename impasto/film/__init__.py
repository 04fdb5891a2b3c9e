"""Film: pictures in a sequence, painted so that they hold still.

times      moments in words, styles over time
reading    a video file -> shots: upright pictures with exact times
writing    pictures -> segments; segments, sound and subtitles -> a file
folder     the work folder: what is finished, so that a video that was stopped goes on
flow       where every pixel went between two frames, and whether that can be trusted
stage      what every frame is painted from: the styles at hand, colors settled once
methods    frame, steady, fast: a frame and the pictures before it -> a picture
flicker    how steady a video is, measured along its motion
filming    video(): the course of it all
"""
