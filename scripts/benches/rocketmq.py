"""RocketMQ: one producer and one consumer on a topic of 4 queues. The distribution's own Producer sends one message
at a time from each of 64 threads, its BatchProducer 32 messages at a time from each of 8; omb has as many messages
under way from its one thread, or sends batches of as many bytes. The distribution's tools tell rates and no totals:
how many messages they had their processor time for is reckoned from the rate and the seconds that they ran."""

import time

from common import Measured, Server, build_omb, figures, last, libraries, of_omb, options, run

EXAMPLES = ("org.apache.rocketmq", "rocketmq-example", "5.5.0")
TOOLS = ("org.apache.rocketmq", "rocketmq-tools", "5.5.0")
THREADS, BATCH, BATCH_THREADS = 64, 32, 8


class Bench:
    reference = "benchmark Producer + Consumer"

    def __init__(self, seconds):
        self.omb, self.examples, self.admin = build_omb(), libraries(*EXAMPLES), libraries(*TOOLS)
        self.server, self.seconds = Server("rocketmq"), seconds
        self.address = self.server.env["OMB_ROCKETMQ"]
        self.tools = {"omb": self.of_omb, "benchmark Producer + Consumer": self.of_producer,
                      "omb, autoBatch": self.of_omb_in_batches,
                      "benchmark BatchProducer + Consumer": self.of_batch_producer}

    def of_omb(self, size):
        settings = options({"enableBackpressure": "true", "backpressureConcurrency": THREADS})
        return of_omb(self.omb, ["-b", f"rocketmq://{self.address}", *settings], size, self.seconds)

    def of_omb_in_batches(self, size):
        settings = options({"autoBatch": "true", "batchMaxBytes": BATCH * size, "enableBackpressure": "true",
                            "backpressureConcurrency": BATCH * BATCH_THREADS})
        return of_omb(self.omb, ["-b", f"rocketmq://{self.address}", *settings], size, self.seconds)

    def mqadmin(self, *args):
        run(["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", self.admin,
             "org.apache.rocketmq.tools.command.MQAdminStartup", args[0], "-n", self.address,
             "-c", "DefaultCluster", *args[1:]])

    def of_java(self, producer, rate, *args):
        name = self.server.name()
        self.mqadmin("updateTopic", "-t", name, "-r", "4", "-w", "4")
        self.mqadmin("updateSubGroup", "-g", name)
        java = ["java", "-Xmx512m", "-cp", self.examples]
        common = ["-n", self.address, "-t", name]
        benchmark = "org.apache.rocketmq.example.benchmark"
        consumer = Measured([*java, f"{benchmark}.Consumer", *common, "-g", name, "-p", "false"])
        sender = Measured([*java, f"{benchmark}.{producer}", *common, *args, "-ri", "1000"])
        # It says nothing in its first ten seconds, and means the last ten.
        time.sleep(max(self.seconds, 10) + 5)
        sent, received = sender.end(ask=True), consumer.end(ask=True)
        self.mqadmin("deleteSubGroup", "-g", name)
        self.mqadmin("deleteTopic", "-t", name)
        rate = last(rf"{rate}: (\d+)", sent[0])
        return figures(rate * (max(self.seconds, 10) + 4), rate, sent, received)

    def of_producer(self, size):
        return self.of_java("Producer", "Send TPS", "-s", str(size), "-w", str(THREADS))

    def of_batch_producer(self, size):
        return self.of_java("BatchProducer", "Send MPS", "-s", str(size), "-w", str(BATCH_THREADS), "-b", str(BATCH))
