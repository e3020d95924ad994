"""The program on an expert's computer: grabs the screen, keeps, sends."""
