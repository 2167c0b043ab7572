import { access, constants, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism, freemem, hostname } from "node:os";
import { dirname } from "node:path";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { overlaps } from "@raft2kube/std/ip.ts";
import { cgroups } from "./cgroups.ts";
import { type Check, type Finding, failed, ok, warning } from "./check.ts";
import { tryCommand } from "./command.ts";

const CORES_MIN = 2;
const MEMORY_MIB_MIN = 600;
const DISK_MIB_MIN = 500;
const BYTES_PER_MIB = 1 << 20;

const hostnameCheck: Check = {
  name: "hostname",
  async ask() {
    const name = hostname().toLowerCase();
    if (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) return ok(name);
    return failed(`"${name}" is no RFC 1123 name`, "set one: hostnamectl set-hostname NAME");
  },
};

const cores: Check = {
  name: "cores",
  async ask() {
    const count = availableParallelism();
    if (count >= CORES_MIN) return ok(String(count));
    return warning(`${count}`, `everything works, slowly; ${CORES_MIN} cores are better`);
  },
};

const memory: Check = {
  name: "memory",
  async ask() {
    // MemAvailable, of which caches are a part.
    const free_mib = Math.floor(freemem() / BYTES_PER_MIB);
    const detail = `${free_mib} MiB available`;
    if (free_mib >= MEMORY_MIB_MIN) return ok(detail);
    return failed(detail, `free some: ${MEMORY_MIB_MIN} MiB are needed`);
  },
};

const disk: Check = {
  name: "disk",
  async ask({ dataDir }) {
    const { bavail, bsize } = await statfs(await nearestExisting(dataDir));
    const free_mib = Math.floor((bavail * bsize) / BYTES_PER_MIB);
    const detail = `${free_mib} MiB free at ${dataDir}`;
    if (free_mib >= DISK_MIB_MIN) return ok(detail);
    return failed(detail, `free ${DISK_MIB_MIN} MiB, or move the data: R2K_DATA=/elsewhere`);
  },
};

const folders: Check = {
  name: "folders",
  async ask({ dataDir, runDir }) {
    for (const path of [dataDir, runDir]) {
      const existing = await nearestExisting(path);
      try {
        await access(existing, constants.W_OK);
      } catch (thrown) {
        const detail = `${path} cannot be made: ${messageOf(thrown)}`;
        return failed(detail, "choose others: R2K_DATA=DIR R2K_RUN=DIR, for every r2k command");
      }
    }
    return ok(`${dataDir} and ${runDir}`);
  },
};

async function nearestExisting(path: string): Promise<string> {
  try {
    await statfs(path);
    return path;
  } catch (thrown) {
    if (codeOf(thrown) !== "ENOENT" || path === dirname(path)) throw thrown;
    return nearestExisting(dirname(path));
  }
}

const port: Check = {
  name: "API port",
  async ask({ apiPort }) {
    if (apiPort === undefined) return ok("held by this cluster");
    const refused = await tryListen(apiPort, "127.0.0.1");
    if (refused === undefined) return ok(`${apiPort} is free`);
    return failed(
      `127.0.0.1:${apiPort} cannot be used: ${refused}`,
      `end what listens there (ss -ltnp 'sport = :${apiPort}'), or choose: --api-port PORT`,
    );
  },
};

/** Why a port, of all addresses or one, cannot be listened on; undefined when it can. */
export function tryListen(number: number, host?: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error) => resolve(messageOf(error)));
    server.listen(number, host, () => server.close(() => resolve(undefined)));
  });
}

const routes: Check = {
  name: "address ranges",
  async ask({ ranges }) {
    const answer = await tryCommand("ip", "-json", "-4", "route", "show", "table", "all");
    if (!answer.succeeded) return failed(answer.output, "install iproute2");
    return overlapFinding(ranges, JSON.parse(answer.output || "[]") as Route[]);
  },
};

type Route = { readonly dst: string; readonly dev?: string };

function overlapFinding(ranges: readonly string[], table: readonly Route[]): Finding {
  const foreign = table.filter((route) => route.dst !== "default" && !route.dev?.startsWith("r2k"));
  for (const range of ranges) {
    const clash = foreign.find((route) => overlaps(range, route.dst));
    if (clash) {
      const via = clash.dev ? ` (device ${clash.dev})` : "";
      const remedy = "stop the other network, or start under another --name (other ranges)";
      return failed(`${range} overlaps the route to ${clash.dst}${via}`, remedy);
    }
  }
  return ok(`${ranges.join(", ")} are free`);
}

export const machineChecks: readonly Check[] = [
  hostnameCheck,
  cores,
  memory,
  disk,
  folders,
  port,
  cgroups,
  routes,
];
