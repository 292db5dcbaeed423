"""Jobs left without a candidate although a courier could take them: counted by brute force on generated rounds."""
