import { logger } from "@raft2kube/observe/log.ts";
import { type Members, Peer as PeerService } from "@raft2kube/proto/gen/peer.ts";
import { type Channel, type ClientTls, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { PEER_SILENCE_MS } from "../limits.ts";

const log = logger("peer");

/**
 * Requests the cluster's members from all addresses concurrently; resolves with the first answer.
 * Undefined when all have refused, or not answered in time.
 */
export async function fetchMembers(
  urls: string[],
  tls: ClientTls | undefined,
  silence_ms = PEER_SILENCE_MS,
): Promise<Members | undefined> {
  const channels = urls.map((url) => connectGrpc(url, tls ? { tls } : {}));
  let answered = false;
  const fetchFrom = async (channel: Channel, url: string): Promise<Members> => {
    try {
      return await client(channel, PeerService).members({}, { timeout_ms: silence_ms });
    } catch (thrown) {
      if (!answered) log.info("no answer from a member", { url, reason: messageOf(thrown) });
      throw thrown;
    }
  };
  try {
    return await Promise.any(channels.map((channel, i) => fetchFrom(channel, urls[i]!)));
  } catch (thrown) {
    // Each reason is in the log.
    if (thrown instanceof AggregateError) return undefined;
    throw thrown;
  } finally {
    answered = true;
    for (const channel of channels) channel.close();
  }
}
