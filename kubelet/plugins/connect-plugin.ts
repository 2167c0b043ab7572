import { type Channel, type ChannelOptions, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";

/** The turns that all plugins share. */
const turns = new InputTurns(systemClock());

/** A channel to a plugin's socket; a plugin may answer anything, and any amount of it. */
export const connectPlugin = (
  socket: string,
  options: Pick<ChannelOptions, "messageBytes_max"> = {},
): Channel => connectGrpc(`unix://${socket}`, { ...options, turns });
