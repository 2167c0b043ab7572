import { Writable } from "node:stream";
import { packetConnection } from "@raft2kube/linux/socket/packets.ts";
import { connectSeqpacket } from "@raft2kube/linux/socket/socket.ts";
import type { CommandClient } from "@raft2kube/streaming/remote-command.ts";
import { resizeTerminal } from "../container/control.ts";
import { ATTACH_PACKET_BYTES } from "../limits.ts";
import type { Base } from "../ports.ts";

/** First byte of conmon's packets: which of the process's outputs follows. */
const PIPE = { stdout: 2, stderr: 3 } as const;

/** Writes in pieces that conmon reads whole. */
function inPackets(to: Writable): Writable {
  const send = (chunk: Buffer, offset: number, done: (error?: Error | null) => void): void => {
    const end = offset + ATTACH_PACKET_BYTES;
    to.write(chunk.subarray(offset, end), (error) => {
      if (error || end >= chunk.length) done(error);
      else send(chunk, end, done);
    });
  };
  const packets = new Writable({
    write: (chunk: Buffer, _, done) => send(chunk, 0, done),
    // Conmon closes the process's input at its end, as configured.
    final: (done) => to.end(done),
  });
  packets.on("error", () => packets.destroy());
  return packets;
}

/**
 * Connects a client with the process under conmon, which need not have been started, until either
 * closes. With `leavesAtEnd` the client goes with its input.
 */
export async function join(
  runtime: Pick<Base, "paths" | "log">,
  id: string,
  client: CommandClient,
  { leavesAtEnd }: { leavesAtEnd: boolean },
): Promise<void> {
  const { attachSocket } = runtime.paths.container(id);
  const { incoming, outgoing } = packetConnection(connectSeqpacket(attachSocket));
  const over = new Promise<void>((resolve) => incoming.once("close", resolve));
  incoming.on("error", (err) => {
    runtime.log.debug("an attached process cannot be read", { container: id, err });
  });
  incoming.on("data", (packet: Buffer) => {
    const to = packet[0] === PIPE.stderr ? client.stderr : client.stdout;
    if (!to || to.destroyed || to.write(packet.subarray(1))) return;
    incoming.pause();
    to.once("drain", () => incoming.resume());
  });
  client.onResize((size) =>
    resizeTerminal(runtime, id, size).catch((err: unknown) => {
      runtime.log.debug("a terminal could not be resized", { container: id, err });
    }),
  );
  if (client.stdin) {
    const input = inPackets(outgoing);
    input.on("error", () => client.stdin?.unpipe(input));
    if (leavesAtEnd) input.once("finish", () => incoming.destroy());
    client.stdin.pipe(input);
  }
  client.gone.addEventListener("abort", () => incoming.destroy(), { once: true });
  if (client.gone.aborted) incoming.destroy();
  await over;
}
