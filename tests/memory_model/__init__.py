"""gochan's memory model: its rules, and a litmus test for each."""
