"""`hvaedsl lint` beyond the checks themselves: which advice is given, comments that silence nothing, and fixes."""
