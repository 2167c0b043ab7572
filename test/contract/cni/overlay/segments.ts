import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { type Pod, patience } from "./underlay.ts";

/** Bytes that one end sends in a segment, of the path's MTU, and that it takes (TCP_INFO). */
export type Segments = { mss: number; pmtu: number; advmss: number };

/** Opens a connection to a server in a pod by `address`, and returns what each end settled on. */
export async function segmentsOf(
  client: Pod,
  server: Pod,
  address: string,
  port: number,
): Promise<{ client: Segments; server: Segments }> {
  const program = inNetns(client.netns, () => {
    return spawn("busybox", ["nc", address, String(port)], { stdio: ["pipe", "ignore", "ignore"] });
  });
  const ended = once(program, "exit");
  try {
    return await waitFor(
      "both ends of the connection",
      () => {
        const ends = {
          client: segmentsIn(client, `dport = :${port}`),
          server: segmentsIn(server, `sport = :${port}`),
        };
        return ends.client && ends.server && { client: ends.client, server: ends.server };
      },
      patience,
    );
  } finally {
    program.kill();
    await ended;
  }
}

/** The segments of the one established connection that `filter` names; undefined without one. */
function segmentsIn({ netns }: Pod, filter: string): Segments | undefined {
  const words = ["-tinHO", "state", "established", ...filter.split(" ")];
  const text = inNetns(netns, () => execFileSync("ss", words, { encoding: "utf8" }));
  const valueOf = (name: string) => Number(new RegExp(` ${name}:(\\d+)`).exec(text)?.[1]);
  if (text.trim() === "") return undefined;
  return { mss: valueOf("mss"), pmtu: valueOf("pmtu"), advmss: valueOf("advmss") };
}
