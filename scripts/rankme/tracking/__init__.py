"""Results in an MLflow store: what is sent (record), where (destination), how (store), and back.

The results tree stays the truth: a store holds nothing that publishing does not make again from
files. Only `store` imports mlflow, which takes seconds.
"""
