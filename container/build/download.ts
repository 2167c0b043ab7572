import { createWriteStream } from "node:fs";
import { BlockList, isIPv6 } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Hashing } from "@raft2kube/runtime/image/blobs.ts";
import { get } from "@raft2kube/runtime/image/http.ts";
import type { Host } from "../engine/host.ts";
import { ADD_URL_BYTES } from "../limits.ts";
import type { Builder } from "./builder.ts";
import { badLine } from "./parse.ts";
import type { Doing } from "./stage.ts";

const LOCAL_SUBNETS =
  "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 " +
  "::/127 64:ff9b::/96 fc00::/7 fe80::/10";

const familyOf = (address: string) => (isIPv6(address) ? "ipv6" : "ipv4");

/** The addresses of this machine and of the networks about it. */
function localAddresses(): BlockList {
  const all = new BlockList();
  for (const subnet of LOCAL_SUBNETS.split(" ")) {
    const [address = "", length] = subnet.split("/");
    all.addSubnet(address, Number(length), familyOf(address));
  }
  return all;
}

interface Downloading {
  instruction: Pick<Doing["instruction"], "flags" | "line">;
  builder: Pick<Builder, "signal"> & { host: Pick<Host, "clock"> };
  options: Pick<Doing["options"], "network">;
}

/**
 * Fetches into a folder what ADD names by URL: what it gets must have the checksum of the
 * Dockerfile. Local addresses are only for a build with the host's network, which names them
 * itself: no redirection leads there.
 */
export async function download(
  { instruction, builder, options }: Downloading,
  urls: readonly string[],
  folder: string,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const { line } = instruction;
  const checksum = instruction.flags.get("checksum")?.at(-1);
  let left = ADD_URL_BYTES;
  for (const url of urls) {
    if (!/^https?:/.test(url) || !URL.canParse(url)) {
      throw badLine(line, `ADD ${url}: only http and https are supported`);
    }
    if (!/^sha256:[0-9a-f]{64}$/.test(checksum ?? "")) {
      throw badLine(line, `ADD ${url} needs --checksum=sha256:..., so that it is what was meant`);
    }
    if (options.network === "none") {
      throw new RuntimeError("failed-precondition", `line ${line}: ADD ${url} needs a network`, {
        remedy: "build --network host, if this Dockerfile may reach it",
      });
    }
    const local = localAddresses();
    const isLocal = (address: string) => local.check(address, familyOf(address));
    const named = options.network === "host" ? new URL(url).origin : undefined;
    const answer = await get(url, {
      headers: {},
      clock: builder.host.clock,
      name: url,
      signal: builder.signal,
      refuses: (address, origin) => origin !== named && isLocal(address),
    });
    if (answer.status !== 200) {
      answer.cancel();
      throw badLine(line, `ADD ${url}: ${answer.status}`);
    }
    const file = path.join(folder, String(found.size));
    const hashing = new Hashing("sha256", left);
    await pipeline(hashing.pass(answer.body), createWriteStream(file, { mode: 0o600 }));
    left -= hashing.size;
    const digest = hashing.digest();
    if (digest !== checksum) throw badLine(line, `ADD ${url} has ${digest}`);
    found.set(path.posix.basename(new URL(url).pathname) || "index", file);
  }
  return found;
}
