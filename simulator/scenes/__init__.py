"""What the simulated cameras and desktops see. Painted once, animated by small sprites."""
