import { existsSync, mkdirSync } from "node:fs";
import { isIP } from "node:net";
import path from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { SettingError } from "./flag-error.ts";
import { dataDirOf } from "./options.ts";
import type { Settings } from "./settings.ts";

const DAYS_PER_YEAR = 365;

/**
 * Makes the certificates of `--auto-tls` and `--peer-auto-tls` below the data directory, and
 * sets them as if they had been given. Those of an earlier start stay, as with etcd; certificates
 * that are given come before them.
 */
export async function selfSign(settings: Settings): Promise<void> {
  for (const prefix of ["", "peer-"]) {
    if (!settings.on(`${prefix}auto-tls`)) continue;
    const given = ["cert-file", "key-file"].map((name) => settings.path(prefix + name));
    if (given.some((file) => file !== undefined)) {
      settings.set(`${prefix}auto-tls`, "false");
      settings.warnings.push(`--${prefix}auto-tls is not used: certificates are given`);
      continue;
    }
    const ca = settings.path(`${prefix}trusted-ca-file`);
    if (ca !== undefined || settings.on(`${prefix}client-cert-auth`)) {
      // etcd drops both, and lets in everyone.
      const flag = prefix + (ca === undefined ? "client-cert-auth" : "trusted-ca-file");
      throw new SettingError(`--${flag} excludes --${prefix}auto-tls: give certificates instead`);
    }
    await keepCertificate(settings, prefix);
  }
}

async function keepCertificate(settings: Settings, prefix: string): Promise<void> {
  const folder = prefix === "" ? "client" : "peer";
  const directory = path.resolve(dataDirOf(settings), "fixtures", folder);
  const [certFile, keyFile] = [path.join(directory, "cert.pem"), path.join(directory, "key.pem")];
  settings.set(`${prefix}cert-file`, certFile);
  settings.set(`${prefix}key-file`, keyFile);
  if (existsSync(certFile) && existsSync(keyFile)) return;
  const years = settings.number("self-signed-cert-validity");
  if (years === 0) throw new SettingError("--self-signed-cert-validity: at least 1 year, got 0");
  const flags = prefix === "" ? ["client", "client-http"] : ["peer"];
  const hosts = flags.flatMap((flag) => settings.list(`listen-${flag}-urls`)).flatMap(hostOf);
  const { createCa } = await import("@raft2kube/pki/certificate.ts");
  const { cert, key } = await createCa({
    commonName: "",
    organizations: ["etcd"],
    dnsNames: hosts.filter((host) => isIP(host) === 0),
    ipAddresses: hosts.filter((host) => isIP(host) !== 0),
    usages: ["server"],
    days: years * DAYS_PER_YEAR,
    now_ms: systemClock().now(),
  });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  await replaceFile(keyFile, key);
  await replaceFile(certFile, cert);
  logger("tls").info("made a certificate that signs itself", { certFile, hosts, years });
}

function hostOf(url: string): string[] {
  if (!URL.canParse(url)) return [];
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return host === "" ? [] : [host];
}
