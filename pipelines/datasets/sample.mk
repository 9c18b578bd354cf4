# The project's own sample: real films, made-up ratings.
RATINGS := ../data/sample/ratings.csv
MOVIES  := ../data/sample/movies.csv
