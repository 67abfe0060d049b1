"""Studies of the method: trainings whose results are kept, and the tables made from them."""
