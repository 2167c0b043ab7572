import { type Channel, type ChannelOptions, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { PLUGIN_ANSWER_BYTES_MAX } from "./limits.ts";

/** The turns that all plugins share. */
const turns = new InputTurns(systemClock());

/** A channel to a plugin's socket; a plugin may answer anything, and any amount of it. */
export const connectPlugin = (
  socket: string,
  { messageBytes_max = PLUGIN_ANSWER_BYTES_MAX }: Pick<ChannelOptions, "messageBytes_max"> = {},
): Channel => connectGrpc(`unix://${socket}`, { messageBytes_max, turns });
