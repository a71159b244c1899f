//! HTTP to RabbitMQ: authenticates, normalizes and publishes each call.
