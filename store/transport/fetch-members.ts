import { type Members, Peer as PeerService } from "@raft2kube/proto/gen/peer.ts";
import { type ClientTls, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { PEER_SILENCE_MS } from "../limits.ts";

const log = logger("peer");

/** Asks at all addresses for the cluster's members; the first answer that comes, if any does. */
export async function fetchMembers(
  urls: string[],
  tls: ClientTls | undefined,
): Promise<Members | undefined> {
  const answers = await Promise.all(urls.map((url) => fetchFrom(url, tls)));
  return answers.find((answer) => answer !== undefined);
}

async function fetchFrom(url: string, tls: ClientTls | undefined): Promise<Members | undefined> {
  const channel = connectGrpc(url, tls ? { tls } : {});
  try {
    return await client(channel, PeerService).members({}, { timeout_ms: PEER_SILENCE_MS });
  } catch (thrown) {
    log.info("no answer from a member", { url, reason: messageOf(thrown) });
    return undefined;
  } finally {
    channel.close();
  }
}
