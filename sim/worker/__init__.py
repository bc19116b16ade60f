"""What happens on a worker: phones choose, and fine-tune."""
