import type { ServerTls } from "@raft2kube/rpc/listener.ts";
import type { Listen } from "@raft2kube/store/options.ts";
import { FlagError } from "./flag-error.ts";
import type { Settings } from "./settings.ts";

/** The addresses of a flag such as `--listen-client-urls`. */
export function listenUrls(
  settings: Settings,
  flag: string,
  defaultPort: number,
  tls: () => ServerTls,
): Listen[] {
  const listens: Listen[] = [];
  for (const url of settings.list(flag)) {
    const next = listenUrl(`--${flag}`, url, defaultPort, tls);
    const i = listens.findIndex((each) => isSameAddress(each, next));
    // http and https on one address, as etcd allows, is one listener.
    if (i >= 0) listens[i] = { ...listens[i]!, ...next, plainToo: true };
    else listens.push(next);
  }
  return listens;
}

function isSameAddress(a: Listen, b: Listen): boolean {
  return "host" in a && "host" in b && a.port !== 0 && a.port === b.port && a.host === b.host;
}

function listenUrl(flag: string, url: string, defaultPort: number, tls: () => ServerTls): Listen {
  if (url.startsWith("unix://")) return { path: url.slice("unix://".length) };
  if (!URL.canParse(url)) throw new FlagError(`${flag}: no URL: ${url}`);
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") {
    throw new FlagError(`${flag}: unknown scheme ${protocol} in ${url}`);
  }
  if (pathname !== "/") throw new FlagError(`${flag}: URL must not contain a path: ${url}`);
  const host = hostname.replace(/^\[|\]$/g, "");
  // A URL's own default is left out of it when it is parsed.
  const named = /:([0-9]+)\/?$/.exec(url)?.[1] ?? port;
  const address = { host, port: Number(named === "" ? defaultPort : named) };
  return protocol === "https:" ? { ...address, tls: tls() } : address;
}
