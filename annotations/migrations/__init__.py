"""The schema, step by step, for alembic. `upgrading` runs the steps; each is a file of `versions/`.

A new step: change annotations/models.py, then, in the repository,
`alembic -c annotations/migrations/alembic.ini revision --autogenerate -m "what it does"`, read what came out, and give
tests/annotations/test_migrations.py data of the step before.
"""
