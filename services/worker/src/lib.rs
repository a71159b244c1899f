//! RabbitMQ to workflow to outcome.
