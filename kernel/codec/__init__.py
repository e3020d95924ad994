"""What a codec's parameter sets say, and the MP4 sample entries made of them. Pure bytes."""
