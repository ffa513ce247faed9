"""What the benchmarks of all systems share."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "omb")
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>omb</groupId><artifactId>tools</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
</dependencies></project>
"""


def run(command, **more):
    """Runs a command; fails with its output if it does."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class Measured:
    """A command that runs meanwhile."""

    def __init__(self, command):
        self.command = command
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL)

    def end(self, ask=False):
        """(output, processor seconds, largest resident set in bytes), once it has ended, which it is asked
        to where it does not by itself."""
        if ask:
            self.process.terminate()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.output.seek(0)
        text = self.output.read()
        self.output.close()
        if self.process.returncode != 0 and not ask:
            sys.exit(f"bench: {' '.join(self.command)} ended with {self.process.returncode}:\n{text}")
        return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def figures(messages, rate, *ended):
    """Of a tool whose processes have ended so (see Measured.end)."""
    return {"messages": messages, "rate": rate, "cpu": sum(one[1] for one in ended) / messages,
            "memory": sum(one[2] for one in ended)}


def last(pattern, text):
    """The last number that a tool says in these words."""
    found = re.findall(pattern, text)
    if not found:
        sys.exit(f"bench: no {pattern} in:\n{text}")
    return float(found[-1].replace(",", ""))


def libraries(group, artifact, version):
    """The class path of a Java tool, fetched by Maven once."""
    folder = os.path.join(CACHE, f"{artifact}-{version}")
    if not os.path.isdir(folder):
        os.makedirs(CACHE, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as new:
            with open(os.path.join(new, "pom.xml"), "w", encoding="utf-8") as pom:
                pom.write(POM.format(group, artifact, version))
            run(["mvn", "-q", "-B", "-f", os.path.join(new, "pom.xml"),
                 "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
                 "-DincludeScope=runtime", f"-DoutputDirectory={new}/libs"])
            os.rename(os.path.join(new, "libs"), folder)
    return os.path.join(folder, "*")


class Server:
    """A test server of `scripts/broker`, started if it was not there."""

    def __init__(self, system):
        broker = [os.path.join(ROOT, "scripts", "broker"), system]
        was_there = subprocess.run([*broker, "status"], capture_output=True, check=False).returncode == 0
        self.stop_command = None if was_there else [*broker, "stop"]
        run([*broker, "start"])
        with open(os.path.join(TARGET, f"brokers/{system}/env"), encoding="utf-8") as env:
            self.env = dict(re.findall(r"^(?:export )?(\w+)='?([^'\n]*)'?$", env.read(), re.M))
        self.number = 0

    def name(self):
        """Of something new."""
        self.number += 1
        return f"bench-{os.getpid()}-{self.number}"

    def end(self):
        if self.stop_command:
            run(self.stop_command)


def build_omb():
    run(["cargo", "build", "--release", "--locked", "--features", "full"], cwd=ROOT)
    return os.path.join(TARGET, "release", "omb")


def of_omb(omb, arguments, size, seconds, **changes):
    """Figures of one producer and one consumer, flat out."""
    workload = {"topics": 1, "partitionsPerTopic": 4, "producersPerTopic": 1,
                "subscriptionsPerTopic": 1, "consumerPerSubscription": 1, "messageSize": size,
                "useRandomizedPayloads": True, "randomBytesRatio": 0.5,
                "randomizedPayloadPoolSize": 100, "producerRate": 10_000_000,
                "warmupDuration": "1s", "testDuration": f"{seconds}s", **changes}
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "bench.yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(workload, file)
        out = os.path.join(directory, "result.json")
        run([omb, "run", *arguments, "-o", out, path])
        with open(out, encoding="utf-8") as file:
            result = json.load(file)
    children = [p for p in result["omb"]["processes"] if p["role"] in ("producer", "consumer")]
    acknowledged = result["omb"]["ledger"]["acknowledged"]
    return {"messages": acknowledged, "rate": statistics.mean(result["publishRate"]),
            "cpu": sum(p["cpuSeconds"] for p in children) / acknowledged,
            "memory": sum(p["maxRssBytes"] for p in children)}


def options(settings):
    """As omb's -X has them."""
    return [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
