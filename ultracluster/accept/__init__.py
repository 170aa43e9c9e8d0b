"""The first hour on a real account: it starts little, measures it, and takes it down again."""
