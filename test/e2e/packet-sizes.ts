import { expect } from "vitest";
import type { TestCluster } from "./cluster.ts";

/** A packet of the overlay's MTU, one more, of the underlay's and more, and several fragments. */
export const PING_BYTES = [1_422, 1_423, 1_472, 1_473, 8_000];
/** More than any packet. */
export const STREAM_BYTES = 1_000_000;
/** Port of a stream into a pod. */
const PORT = 9_000;

type Server = { readonly name: string; readonly ip: string };

/** Asserts that the stream that each pod serves on port 8080 arrives whole at every one of them. */
export async function everyStreamArrives(
  cluster: TestCluster,
  servers: readonly Server[],
): Promise<void> {
  const script = servers.map(({ ip }) => `wget -qO- http://${ip}:8080/stream | wc -c`).join("; ");
  for (const { name } of servers) {
    const said = await cluster.ask("exec", name, "--", "sh", "-c", script);
    expect(said.split("\n"), name).toEqual(servers.map(() => String(STREAM_BYTES)));
  }
}

/**
 * Asserts that packets of all sizes and streams pass between the host and pods, in both directions,
 * and from a Service. Each pod serves `stream` on port 8080.
 */
export async function hostReaches(
  cluster: TestCluster,
  pods: readonly Server[],
  service: string,
): Promise<void> {
  const { host } = cluster;
  for (const { name, ip } of pods) {
    for (const size of PING_BYTES) {
      // The first that is larger than the way's MTU is answered with that, and not delivered.
      const ping = ["ping", "-q", "-c", "2", "-i", "0.2", "-W", "5", "-s", String(size), ip];
      const { code } = await host.run("busybox", ping);
      expect(code, `${size} bytes to ${name}`).toBe(0);
    }
    // Its input must not end before the stream: nc would close its side, and the sender end.
    const receive = `mkfifo /tmp/input && nc -l -p ${PORT} <> /tmp/input | wc -c`;
    const received = cluster.ask("exec", name, "--", "sh", "-c", receive);
    // The pod listens a moment after it was asked to.
    const stream = `head -c ${STREAM_BYTES} /dev/zero | busybox nc ${ip} ${PORT}`;
    const sent = host.run("timeout", ["30", "sh", "-c", `until ${stream}; do :; done`]);
    expect((await sent).code, `a stream to ${name}`).toBe(0);
    expect(await received, name).toBe(String(STREAM_BYTES));
  }
  for (const to of [...pods.map(({ ip }) => `${ip}:8080`), ...Array<string>(6).fill(service)]) {
    const size = ["-w", "%{size_download}", "-o", "/dev/null", `http://${to}/stream`];
    const { stdout } = await host.run("curl", ["-sS", "--max-time", "30", ...size]);
    expect(stdout, to).toBe(String(STREAM_BYTES));
  }
}
