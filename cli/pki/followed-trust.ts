import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { ServerTrust } from "@raft2kube/apiserver/options.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { FollowedFile } from "@raft2kube/reconcile/followed-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

const log = logger("apiserver");

interface TrustPaths {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  readonly proxyCa?: string | undefined;
  readonly kubeletClient: PairPaths & { readonly ca?: string | undefined };
  readonly proxyClient?: PairPaths | undefined;
}

type PairPaths = { readonly cert: string; readonly key: string };

/**
 * Follows the files of a server's certificates, as a client too, and of the CAs that it trusts. A
 * key that does not belong to its certificate, as while the two are replaced, changes nothing.
 */
export function followTrust(
  { cert, key, clientCa, proxyCa, kubeletClient, proxyClient }: TrustPaths,
  clock: Clock,
): Promise<FollowedFile<ServerTrust>> {
  const read = async (path: string | undefined) =>
    path === undefined ? undefined : await readFile(path, "utf8");
  return FollowedFile.follow({
    clock,
    log,
    what: "what the server shows and trusts",
    async read() {
      const pair = async (paths: PairPaths | undefined) =>
        paths && { cert: await read(paths.cert), key: await read(paths.key) };
      return JSON.stringify({
        tls: await pair({ cert, key }),
        clientCa: await read(clientCa),
        proxyCa: await read(proxyCa),
        kubeletClient: { ...(await pair(kubeletClient)), ca: await read(kubeletClient.ca) },
        proxyClient: await pair(proxyClient),
      });
    },
    parse(text): ServerTrust {
      const trust = JSON.parse(text) as ServerTrust;
      for (const each of [trust.tls, trust.kubeletClient, trust.proxyClient]) {
        if (each !== undefined) createSecureContext({ cert: each.cert, key: each.key });
      }
      for (const each of [trust.clientCa, trust.proxyCa, trust.kubeletClient?.ca]) {
        if (each !== undefined) new X509Certificate(each);
      }
      return trust;
    },
  });
}
