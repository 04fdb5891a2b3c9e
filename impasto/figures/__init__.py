"""Figures: the field's sheets of pictures as code. Named, cached picture by picture, resumable.

layout     what a figure is: rows of jobs, one for each cell
brief      what a plan function works from: the pictures, and options by verb
plans      the plan functions: what varies from cell to cell, and what the captions say
table      every figure by its name; figure(), plan()
making     the cells that are not in the cache folder yet, and the sheet of them all
"""
