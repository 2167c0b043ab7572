import { describe, expect, test } from "vitest";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { forwarded, spdySession, webSocketSession, type Session, type Wanted } from
  "./stream-client.ts";
import type { Bench } from "./suite.ts";

const clock = systemClock();

export function streamRules(bench: Bench): void {
  const { webSocketV5 } = bench.implementation.knows;
  const webSocketProtocol = webSocketV5 ? "v5.channel.k8s.io" : "v4.channel.k8s.io";
  const open: Record<string, (url: string, wanted: Wanted) => Promise<Session>> = {
    SPDY: spdySession,
    WebSocket: (url, wanted) => webSocketSession(url, wanted, webSocketProtocol),
  };
  const running = async (config: object = {}, command?: string[]) => {
    const { pods } = bench;
    const pod = await pods.run();
    return pods.start(pod, { config, ...(command && { command }) });
  };
  const exec = async (containerId: string, script: string, wanted: Wanted) => {
    const { stdin = false, stderr = false, tty = false } = wanted;
    const cmd = ["sh", "-c", script];
    const request = { containerId, cmd, stdin, stdout: true, stderr, tty };
    return (await bench.served.runtime.exec(request)).url;
  };
  const seen = (session: Session, words: string) =>
    waitFor(`"${words}" in ${session.output()}`, () => session.output().includes(words), { clock });

  describe.each(Object.keys(open))("streams over %s", (kind) => {
    test("exec brings outputs and the exit code", async () => {
      const wanted = { stderr: true };
      const url = await exec(await running(), "echo out; echo err >&2; exit 3", wanted);
      const ended = await (await open[kind]!(url, wanted)).ended;
      expect([ended.stdout, ended.stderr]).toEqual(["out\n", "err\n"]);
      expect(JSON.parse(ended.status)).toMatchObject({
        status: "Failure", reason: "NonZeroExitCode",
        details: { causes: [{ reason: "ExitCode", message: "3" }] },
      });
    });

    test("exec takes input, of any size", async () => {
      const url = await exec(await running(), "head -c 300000 | wc -c", { stdin: true });
      const session = await open[kind]!(url, { stdin: true });
      for (let i = 0; i < 10; i++) session.write("x".repeat(30_000));
      const ended = await session.ended;
      expect(ended.stdout.trim()).toBe("300000");
      expect(JSON.parse(ended.status)).toMatchObject({ status: "Success" });
    });

    test.runIf(kind === "SPDY" || webSocketV5)("the end of input is passed on", async () => {
      const url = await exec(await running(), "cat; echo done", { stdin: true });
      const session = await open[kind]!(url, { stdin: true });
      session.write("hello\n");
      session.endInput();
      expect((await session.ended).stdout).toBe("hello\ndone\n");
    });

    test("much output arrives whole", async () => {
      const url = await exec(await running(), "head -c 3000000 /dev/zero | tr '\\0' a", {});
      const ended = await (await open[kind]!(url, {})).ended;
      expect(ended.stdout.length).toBe(3_000_000);
    });

    test("a terminal has the client's size, and follows it", async () => {
      const wanted = { stdin: true, tty: true };
      const script = "while read line; do stty size; done";
      const url = await exec(await running(), script, wanted);
      const session = await open[kind]!(url, wanted);
      session.resize(100, 40);
      const sized = async () => {
        session.write("\n");
        return session.output().includes("40 100");
      };
      await waitFor("the first size", sized, { clock, interval_ms: 100 });
      session.resize(81, 21);
      const resized = async () => {
        session.write("\n");
        return session.output().includes("21 81");
      };
      await waitFor("the second size", resized, { clock, interval_ms: 100 });
      session.write("\u0004");
      expect(JSON.parse((await session.ended).status)).toMatchObject({ status: "Success" });
    });

    test("attach joins the container's first process", async () => {
      const script = "while read line; do echo got $line; [ $line = quit ] && exit 0; done";
      const config = { stdin: true };
      const containerId = await running(config, ["sh", "-c", script]);
      const streams = { stdin: true, stdout: true, stderr: true, tty: false };
      const { url } = await bench.served.runtime.attach({ containerId, ...streams });
      const session = await open[kind]!(url, streams);
      session.write("one\n");
      await seen(session, "got one");
      session.write("quit\n");
      expect((await session.ended).stdout).toContain("got quit");
      expect(await bench.pods.exited(containerId)).toMatchObject({ exitCode: 0 });
    });

    test("attach to a terminal follows the client's size", async () => {
      const config = { stdin: true, tty: true };
      const script = "while read line; do stty size; done";
      const containerId = await running(config, ["sh", "-c", script]);
      const streams = { stdin: true, stdout: true, stderr: false, tty: true };
      const { url } = await bench.served.runtime.attach({ containerId, ...streams });
      const session = await open[kind]!(url, streams);
      session.resize(77, 33);
      const sized = async () => {
        session.write("\n");
        return session.output().includes("33 77");
      };
      await waitFor("the size", sized, { clock, interval_ms: 100 });
      session.abandon();
      expect(await bench.pods.shell(containerId, "echo alive")).toBe("alive");
    });
  });

  describe("port-forward", () => {
    test("reaches a port inside the pod", async () => {
      const { pods, served: { runtime } } = bench;
      const podSandboxId = await pods.run();
      await pods.start(podSandboxId, { image: "r2k.local/web:1", config: { command: [] } });
      const get = async () => {
        const { url } = await runtime.portForward({ podSandboxId, port: [8080] });
        return (await forwarded(url, 8080, "GET /healthz HTTP/1.0\r\n\r\n")).answer;
      };
      const answer = await waitFor("the web server", get, { clock });
      expect(answer).toMatch(/^HTTP\/1\.[01] 200[^]*ok\n$/);
    });

    test("says when nobody listens", async () => {
      const { pods, served: { runtime } } = bench;
      const podSandboxId = await pods.run();
      const { url } = await runtime.portForward({ podSandboxId, port: [81] });
      expect((await forwarded(url, 81, "x")).error).toMatch(/refused|ECONNREFUSED/);
    });
  });

  test("a streaming URL is good for one request", async () => {
    const url = await exec(await running(), "true", {});
    await (await spdySession(url, {})).ended;
    await expect(fetch(url).then((answer) => answer.ok)).resolves.toBe(false);
  });
}
