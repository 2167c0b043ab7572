import { checkServerIdentity, type PeerCertificate, type SecureVersion } from "node:tls";
import type { ClientTls } from "@raft2kube/rpc/client.ts";
import type { ServerTls } from "@raft2kube/rpc/listener.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { openSslCiphers } from "./cipher-suites.ts";
import { SettingError } from "./flag-error.ts";
import type { Settings } from "./settings.ts";
import { TlsFiles } from "./tls-files.ts";

/** The certificates of an https address for clients, or with `peer-` for members. */
export function serverTls(settings: Settings, prefix: "" | "peer-"): ServerTls {
  const [cert, key] = [settings.path(`${prefix}cert-file`), settings.path(`${prefix}key-file`)];
  if (cert === undefined || key === undefined) {
    throw new SettingError(`an https address needs --${prefix}cert-file and --${prefix}key-file`);
  }
  const ca = settings.path(`${prefix}trusted-ca-file`);
  if (settings.on(`${prefix}client-cert-auth`) && ca === undefined) {
    throw new SettingError(`--${prefix}client-cert-auth needs --${prefix}trusted-ca-file`);
  }
  const crl = settings.path(prefix === "" ? "client-crl-file" : "peer-crl-file");
  const files = new TlsFiles({ cert, key, ca, crl }, systemClock());
  return {
    get cert() {
      return files.text("cert")!;
    },
    get key() {
      return files.text("key")!;
    },
    get clientCa() {
      return files.text("ca");
    },
    get crl() {
      return files.text("crl");
    },
    ...versions(settings),
    ciphers: openSslCiphers(settings.list("cipher-suites")),
    refuses: refusalOf(settings, prefix),
  };
}

/** Returns the certificate that this member presents to peers, and the CAs that it trusts. */
export function peerClientTls(settings: Settings): ClientTls | undefined {
  const paths = {
    cert: settings.path("peer-client-cert-file") ?? settings.path("peer-cert-file"),
    key: settings.path("peer-client-key-file") ?? settings.path("peer-key-file"),
    ca: settings.path("peer-trusted-ca-file"),
  };
  if (Object.values(paths).every((path) => path === undefined)) return undefined;
  const files = new TlsFiles(paths, systemClock());
  return {
    anyServer: settings.on("peer-auto-tls"),
    get ca() {
      return files.text("ca");
    },
    get cert() {
      return files.text("cert");
    },
    get key() {
      return files.text("key");
    },
  };
}

const VERSIONS: Readonly<Record<string, SecureVersion>> = {
  "TLS1.2": "TLSv1.2",
  "TLS1.3": "TLSv1.3",
};

/** Returns errors that do not depend on whether an address uses TLS. */
export function checkTls(settings: Settings): void {
  versions(settings);
  openSslCiphers(settings.list("cipher-suites"));
}

function versions(settings: Settings) {
  const version = (flag: string) => {
    const text = settings.text(flag);
    const found = VERSIONS[text];
    if (text !== "" && !found) throw new SettingError(`--${flag}: TLS1.2 or TLS1.3, got ${text}`);
    return found;
  };
  const [minVersion, maxVersion] = [version("tls-min-version"), version("tls-max-version")];
  if (minVersion === "TLSv1.3" && maxVersion === "TLSv1.2") {
    throw new SettingError("--tls-min-version is above --tls-max-version");
  }
  if (minVersion === "TLSv1.3" && settings.list("cipher-suites").length > 0) {
    throw new SettingError("--cipher-suites cannot be chosen with --tls-min-version=TLS1.3");
  }
  return { minVersion, maxVersion };
}

/** etcd's allow lists: a certificate's common name, or a name that it is good for. */
function refusalOf(settings: Settings, prefix: "" | "peer-"): ServerTls["refuses"] {
  const hostnames = prefix === "" ? "client-cert-allowed-hostname" : "peer-cert-allowed-hostname";
  const names = settings.list(hostnames);
  const commonNames = prefix === "" ? [] : settings.list("peer-cert-allowed-cn");
  if (names.length > 0 && commonNames.length > 0) {
    throw new SettingError("--peer-cert-allowed-cn excludes --peer-cert-allowed-hostname");
  }
  if (names.length === 0 && commonNames.length === 0) return undefined;
  return (certificate: PeerCertificate) => {
    const { CN } = certificate.subject;
    if (commonNames.length > 0) {
      return commonNames.includes(String(CN)) ? undefined : `common name ${String(CN)}`;
    }
    const good = names.some((name) => checkServerIdentity(name, certificate) === undefined);
    return good ? undefined : "none of the allowed names";
  };
}
