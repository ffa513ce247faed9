"""Kafka: one producer (acks=all, linger.ms=1, batch.size=1 MiB) and one consumer on 4 partitions. The others move
as many messages as omb did last, Kafka's own tools a quarter of that. rdkafka_performance is built here from the
same librdkafka as omb."""

import glob
import os
import sys

from common import TARGET, Measured, Server, build_omb, figures, last, of_omb, options, run

PARTITIONS = 4
CLIENT = {"acks": "all", "linger.ms": "1", "batch.size": "1048576"}
REFERENCE = "rdkafka_performance"


def both(consume, produce, rate, messages):
    """Figures of a tool that consumes and produces in two processes, at the same time. `rate` finds
    the producer's own last word on its rate, which leaves out how long it took to start."""
    consumer = Measured(consume)
    produced = Measured(produce).end()
    return figures(messages, last(rate, produced[0]), produced, consumer.end())


def build_reference():
    """rdkafka_performance, on omb's librdkafka."""
    found = glob.glob(os.path.join(TARGET, "release/build/rdkafka-sys-*/out/src/librdkafka.a"))
    if not found:
        sys.exit("bench: no librdkafka.a below target/release/build: did cargo build it?")
    library = max(found, key=os.path.getmtime)
    source = os.path.dirname(library)
    others = []
    for pattern in ["openssl-sys-*/out/openssl-build/install/lib*/libssl.a",
                    "openssl-sys-*/out/openssl-build/install/lib*/libcrypto.a",
                    "zstd-sys-*/out/libzstd.a", "libz-sys-*/out/**/libz.a"]:
        found = glob.glob(os.path.join(TARGET, "release/build", pattern), recursive=True)
        others += sorted(found, key=os.path.getmtime)[-1:]
    if not any(name.endswith("libz.a") for name in others):
        others.append("-lz")
    directory = os.path.join(TARGET, "bench")
    os.makedirs(directory, exist_ok=True)
    reference = os.path.join(directory, REFERENCE)
    run(["cc", "-O2", f"-I{source}", f"-I{source}/..",
         os.path.join(source, "..", "examples", f"{REFERENCE}.c"), "-o", reference, library,
         *others, "-lpthread", "-lm", "-ldl", "-lrt"])
    return reference


class Bench:
    def __init__(self, seconds):
        self.omb, self.reference_tool = build_omb(), build_reference()
        self.reference = REFERENCE
        self.server = Server("kafka")
        self.address, self.libs = self.server.env["OMB_KAFKA_BOOTSTRAP"], self.server.env["OMB_KAFKA_LIBS"]
        self.moved, self.seconds = {}, seconds
        self.tools = {"omb": self.of_omb, REFERENCE: self.of_rdkafka,
                      "ProducerPerformance + ConsumerPerformance": self.of_java}

    def java(self, *args):
        return ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
                f"{self.libs}/*", *args]

    def topics(self, *args):
        run(self.java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.address, *args))

    def topic(self):
        name = self.server.name()
        self.topics("--create", "--topic", name, "--partitions", str(PARTITIONS), "--replication-factor", "1")
        return name

    def of_omb(self, size):
        done = of_omb(self.omb, ["-b", self.address, *options(CLIENT)], size, self.seconds)
        self.moved[size] = done["messages"]
        return done

    def of_rdkafka(self, size):
        topic, messages = self.topic(), self.moved[size]
        settings = options({key: value for key, value in CLIENT.items() if key != "acks"})
        partitions = [part for number in range(PARTITIONS) for part in ("-p", str(number))]
        common = ["-t", topic, "-b", self.address, "-c", str(messages), "-q"]
        done = both([self.reference_tool, "-C", *common, *partitions, "-o", "beginning"],
                    [self.reference_tool, "-P", *common, "-s", str(size), "-a", "-1", *settings],
                    r"(\d+) msgs/s", messages)
        self.topics("--delete", "--topic", topic)
        return done

    def of_java(self, size):
        topic, messages = self.topic(), self.moved[size] // 4
        properties = [f"{key}={value}" for key, value in CLIENT.items()]
        done = both(
            self.java("org.apache.kafka.tools.ConsumerPerformance", "--topic", topic,
                      "--bootstrap-server", self.address, "--num-records", str(messages),
                      "--timeout", "60000"),
            self.java("org.apache.kafka.tools.ProducerPerformance", "--topic", topic,
                      "--num-records", str(messages), "--record-size", str(size), "--throughput", "-1",
                      "--bootstrap-server", self.address, "--command-property", *properties),
            r"([\d.]+) records/sec", messages)
        self.topics("--delete", "--topic", topic)
        return done
