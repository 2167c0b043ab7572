import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { ServerTrust } from "@raft2kube/apiserver/options.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { FollowedFile } from "@raft2kube/reconcile/followed-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";

const log = logger("apiserver");

interface TrustPaths {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  readonly proxyCa?: string | undefined;
}

/**
 * Follows the files of a server's certificate and of the CAs that it trusts. A key that does not
 * belong to its certificate, as while the two are replaced, changes nothing.
 */
export function followTrust(
  { cert, key, clientCa, proxyCa }: TrustPaths,
  clock: Clock,
): Promise<FollowedFile<ServerTrust>> {
  const read = async (path: string | undefined) =>
    path === undefined ? undefined : await readFile(path, "utf8");
  return FollowedFile.follow({
    clock,
    log,
    what: "what the server shows and trusts",
    async read() {
      const tls = { cert: await read(cert), key: await read(key) };
      return JSON.stringify({ tls, clientCa: await read(clientCa), proxyCa: await read(proxyCa) });
    },
    parse(text): ServerTrust {
      const { tls, clientCa: ca, proxyCa: proxies } = JSON.parse(text) as ServerTrust;
      createSecureContext(tls);
      for (const each of [ca, proxies]) if (each !== undefined) new X509Certificate(each);
      return { tls, clientCa: ca, ...given({ proxyCa: proxies }) };
    },
  });
}
