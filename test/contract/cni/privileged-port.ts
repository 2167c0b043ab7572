import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { expect, test } from "vitest";
import { ADDRESSES } from "../../../testing/network/host-network.ts";
import type { Bench } from "./bench.ts";

const PORT = 111;
const clientFrom = (localPort: number) => `require("net").connect({
  host: "${ADDRESSES.outside}", port: ${PORT}, localPort: ${localPort},
}).resume()`;
/**
 * A port that only root may bind: servers such as NFS trust clients that have one; and one of those
 * that the kernel gives to the host's own connections.
 */
const HOST_PORTS = [700, 40_000];

/** Rule of our plugins alone: the reference plugins keep the port. */
export function privilegedPortContract(bench: () => Bench): void {
  test.each(HOST_PORTS)("ipMasq: a container's port %i is none of the host's", async (own) => {
    const list = bench().conflist({ bridge: { ipMasq: true } });
    const { netns, address } = await bench().attach(list);
    const seen: { address: string | undefined; port: number | undefined }[] = [];
    const server = createServer((socket) => {
      seen.push({ address: socket.remoteAddress, port: socket.remotePort });
      socket.on("error", () => undefined).end();
    });
    const connect = async (from: string) => {
      const client = inNetns(from, () => execFile(process.execPath, ["-e", clientFrom(own)]));
      const [code] = (await once(client, "exit")) as [number | null];
      expect(code).toBe(0);
    };
    try {
      inNetns(bench().net.outside, () => server.listen(PORT));
      if (!server.listening) await once(server, "listening");
      await connect(bench().net.host);
      await connect(netns);
    } finally {
      server.close();
    }
    const [host, container] = seen;
    expect(host).toMatchObject({ port: own });
    expect(container?.address).toBe(host?.address);
    expect(container?.address).not.toContain(address);
    expect(container?.port).toBeGreaterThanOrEqual(1024);
    expect(container?.port).toBeLessThan(32_768);
  });
}
