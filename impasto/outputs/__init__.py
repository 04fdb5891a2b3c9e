"""What a verb of the command line does with what it makes: shows it, writes it, and keeps what was reached when stopped.

places     where a verb writes, tried before the first step, so that nothing is painted in vain
pictures   one picture on its way: its steps shown, saved, and what was reached kept when stopped
photos     photos by a feed-forward network, file after file
drawing    a figure's pictures made, and its sheets written
reports    report cards of a picture or of a folder
batches    a batch of pictures: what its jobs say, and its status
trainings  a training on its way: its network, its sheet, its curve
terminal   the bars and previews that are seen meanwhile
"""

STOPPED = 130  # a status, as shells report a program that Ctrl-C ended
