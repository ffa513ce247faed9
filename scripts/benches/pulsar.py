"""Pulsar: one producer (batches of 1,000 messages or 1 MiB, collected for 1 ms) and one consumer (Failover) on a
topic of 4 partitions, of which one storage node keeps one copy."""

import json
import os
import urllib.request

from common import CACHE, Measured, Server, build_omb, figures, last, of_omb, options

VERSION = "4.0.8"
BATCH_BYTES, BATCH_MS = 1 << 20, 1


class Bench:
    reference = "pulsar-perf"

    def __init__(self, seconds):
        self.omb, self.server, self.seconds = build_omb(), Server("pulsar"), seconds
        self.address, self.http = f"pulsar://{self.server.env['OMB_PULSAR']}", self.server.env["OMB_PULSAR_HTTP"]
        self.tools = {"omb": self.of_omb, "pulsar-perf": self.of_perf}

    def of_omb(self, size):
        settings = options({"client.httpUrl": self.http, "producer.batchingMaxBytes": BATCH_BYTES,
                            "producer.batchingMaxPublishDelayMs": BATCH_MS})
        return of_omb(self.omb, ["-b", self.address, *settings], size, self.seconds)

    def ask(self, method, path, content=None):
        request = urllib.request.Request(f"{self.http}/admin/v2/{path}", method=method,
                                         data=None if content is None else json.dumps(content).encode(),
                                         headers={"content-type": "application/json"})
        with urllib.request.urlopen(request):
            pass

    def of_perf(self, size):
        topic = f"public/omb-suite/{self.server.name()}"
        self.ask("PUT", f"persistent/{topic}/partitions", 4)
        home = os.path.join(CACHE, f"pulsar-{VERSION}")
        opened = ["java.base/sun.net", "java.base/java.lang", "java.base/java.nio", "java.base/jdk.internal.misc"]
        java = ["java", "-Xmx512m", "-XX:MaxDirectMemorySize=512m",
                *[part for one in opened for part in ("--add-opens", f"{one}=ALL-UNNAMED")],
                "-Dio.netty.tryReflectionSetAccessible=true", "-cp", os.path.join(home, "lib/*"),
                "org.apache.pulsar.testclient.PulsarPerfTestTool", os.path.join(home, "conf/client.conf")]
        common = ["--service-url", self.address, "--test-duration", str(self.seconds + 1), f"persistent://{topic}"]
        consumer = Measured([*java, "consume", "--subscription-type", "Failover",
                             "--subscription-position", "Earliest", *common])
        produced = Measured([*java, "produce", "--rate", "10000000", "--size", str(size),
                             "--batch-time-window", str(BATCH_MS), "--batch-max-bytes", str(BATCH_BYTES),
                             "--max-outstanding", "100000", *common]).end()
        rate = last(r"Aggregated throughput stats --- .*? --- ([\d.]+) msg/s", produced[0])
        sent = last(r"Aggregated throughput stats --- (\d+) records sent", produced[0])
        done = figures(sent, rate, produced, consumer.end())
        self.ask("DELETE", f"persistent/{topic}/partitions?force=true")
        return done
