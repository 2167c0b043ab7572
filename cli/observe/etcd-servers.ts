import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import type { ClientTls } from "@raft2kube/rpc/client.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { parseCertificate } from "../pki/certificates.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { storeEndpoints } from "../spec/store.ts";
import { CommandError } from "../terminal.ts";

type EtcdFiles = NonNullable<ClusterConfig["etcdFiles"]>;

/** An etcd that answers at all does so in this time. */
const ANSWER_TIMEOUT_MS = 3_000;
/** Need not exist: a range of it needs a leader and the right to read. */
const PROBED_KEY = new TextEncoder().encode("/registry/health");

/** Reads the files; throws CommandError `ETCD_FILES` naming the flag and the file that is wrong. */
export function readEtcdTls(files: EtcdFiles): ClientTls {
  if ((files.cert === undefined) !== (files.key === undefined)) {
    throw new CommandError("FLAG", "--etcd-certfile and --etcd-keyfile go together");
  }
  const ca = readPem("--etcd-cafile", files.ca, parseCertificate);
  const cert = readPem("--etcd-certfile", files.cert, parseCertificate);
  const key = readPem("--etcd-keyfile", files.key, parseKey);
  if (cert && key && !cert.parsed.checkPrivateKey(key.parsed)) {
    const what = `${files.key} is not the key of the certificate in ${files.cert}`;
    throw new CommandError("ETCD_FILES", `--etcd-keyfile: ${what}`, {
      remedy: "give the two files of one pair",
    });
  }
  return {
    ...(ca && { ca: ca.text }),
    ...(cert && { cert: cert.text }),
    ...(key && { key: key.text }),
  };
}

function readPem<T>(
  flag: string,
  path: string | undefined,
  parse: (path: string, text: string) => T,
): { text: string; parsed: T } | undefined {
  if (path === undefined) return undefined;
  try {
    const text = readFileSync(path, "utf8");
    return { text, parsed: parse(path, text) };
  } catch (cause) {
    throw new CommandError("ETCD_FILES", `${flag}: ${messageOf(cause)}`, {
      remedy: `give ${flag} the path of a PEM file that can be read`,
    });
  }
}

function parseKey(path: string, text: string) {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    const what = `${path} has no private key in PEM: ${messageOf(cause)}`;
    throw new CodedError("BAD_KEY", what, { cause });
  }
}

/** A client of the cluster's store, embedded or not; to be closed. */
export function connectStore(config: ClusterConfig): EtcdClient {
  const tls = config.etcdFiles && { tls: readEtcdTls(config.etcdFiles) };
  return connectEtcd({ endpoints: storeEndpoints(config), ...tls });
}

/**
 * Reads a key at each etcd concurrently, and returns why some do not answer, in order: the address
 * and the reason. Takes a few seconds at most.
 */
export async function unreachableEtcd(
  endpoints: readonly string[],
  tls: ClientTls = {},
): Promise<string[]> {
  const failures = await Promise.all(
    endpoints.map(async (endpoint) => {
      try {
        await readOnce(endpoint, tls);
        return [];
      } catch (thrown) {
        return [`${endpoint}: ${messageOf(thrown)}`];
      }
    }),
  );
  return failures.flat();
}

async function readOnce(endpoint: string, tls: ClientTls): Promise<void> {
  const etcd = connectEtcd({ endpoints: [endpoint], tls, timeout_ms: ANSWER_TIMEOUT_MS });
  try {
    await etcd.range({ key: PROBED_KEY, countOnly: true });
  } finally {
    await etcd.close();
  }
}

/** Returns a remedy for an etcd that does not answer. */
export function etcdRemedy(endpoints: readonly string[]): string {
  const files = "; https needs --etcd-cafile, and --etcd-certfile if it asks for a certificate";
  const https = endpoints.some((endpoint) => endpoint.startsWith("https:")) ? files : "";
  return `start that etcd, or give the address at which it serves clients${https}`;
}
