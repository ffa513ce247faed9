"""RabbitMQ: one producer, at most 10,000 messages ahead of their confirms, and one consumer, 20,000 ahead of its
acknowledgements, on a classic queue that is not written to disk."""

from common import Measured, Server, build_omb, figures, last, libraries, of_omb, options

PERF_TEST = ("com.rabbitmq", "perf-test", "2.22.1")
IN_FLIGHT, PREFETCH = 10_000, 20_000


class Bench:
    reference = "PerfTest"

    def __init__(self, seconds):
        self.omb, self.libs = build_omb(), libraries(*PERF_TEST)
        self.server, self.seconds = Server("rabbitmq"), seconds
        self.address = f"amqp://{self.server.env['OMB_RABBITMQ']}"
        self.tools = {"omb": self.of_omb, "PerfTest": self.of_perf_test}

    def of_omb(self, size):
        settings = options({"maxInFlight": IN_FLIGHT, "prefetch": PREFETCH})
        return of_omb(self.omb, ["-b", self.address, *settings], size, self.seconds, partitionsPerTopic=1)

    def of_perf_test(self, size):
        name = self.server.name()
        done = Measured(["java", "-Xmx512m", "-cp", self.libs, "com.rabbitmq.perf.PerfTest",
                         "--uri", self.address, "--size", str(size), "--confirm", str(IN_FLIGHT),
                         "--qos", str(PREFETCH), "--multi-ack-every", "1000", "--type", "fanout",
                         "--exchange", name, "--queue", name, "--time", str(self.seconds + 1)]).end()
        rate = last(r"sending rate avg: ([\d,]+) msg/s", done[0])
        return figures(rate * (self.seconds + 1), rate, done)
