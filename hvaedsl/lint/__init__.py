"""`hvaedsl lint` beyond the checks themselves: which advice is given, comments that suppress nothing, and fixes."""
