import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitFor } from "../../../testing/wait.ts";
import { endHolder, LEAVE_MOUNTS, OwnHost } from "../own-host.ts";

/** Folders that each machine has to itself, empty at first; containers' roots can lie in them. */
const OWN_FOLDERS = ["/var/lib", "/var/log", "/run", "/opt/cni", "/dev/shm"];

/** Machines on a link of their own: namespaces net, mount, pid and uts each, with own folders. */
export class Machines {
  readonly dir = mkdtempSync(join(tmpdir(), "r2k-machines-"));
  readonly #all: Machine[] = [];
  readonly #switch: OwnHost;

  private constructor(host: OwnHost) {
    this.#switch = host;
  }

  /** The switch is a bridge in namespaces of its own. */
  static async create(): Promise<Machines> {
    const host = await OwnHost.create();
    await must(host, "ip link add lan type bridge && ip link set lan up");
    return new Machines(host);
  }

  /** Adds a machine `10.77.0.N/24` of this name. */
  async add(name: string): Promise<Machine> {
    const number = this.#all.length + 1;
    const machine = await Machine.start(name, `10.77.0.${number + 10}`, join(this.dir, name));
    this.#all.push(machine);
    const port = `ip link add port${number} type veth`;
    await must(
      this.#switch,
      `${port} peer name eth0 netns ${machine.pid}
      ip link set port${number} master lan up`,
    );
    await must(
      machine.host,
      `ip link set lo up
      ip address add ${machine.address}/24 dev eth0
      ip link set eth0 up
      ip route add default via 10.77.0.1
      sysctl -qw net.ipv4.ip_forward=1`,
    );
    return machine;
  }

  async close(): Promise<void> {
    for (const machine of this.#all) await machine.close();
    await this.#switch.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Runs a script; throws with what it wrote when it fails. */
export async function must(host: OwnHost, script: string, input = ""): Promise<string> {
  const { code, stdout, stderr } = await host.run("sh", ["-ec", script], { input });
  if (code !== 0) throw new Error(`${script}: ${stdout}${stderr}`);
  return stdout;
}

export class Machine {
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  readonly host: OwnHost;
  readonly #holder: ChildProcess;

  private constructor(
    name: string,
    address: string,
    place: { dir: string; pid: number },
    holder: ChildProcess,
  ) {
    this.name = name;
    this.address = address;
    this.pid = place.pid;
    this.host = OwnHost.machineAt(place);
    this.#holder = holder;
  }

  static async start(name: string, address: string, dir: string): Promise<Machine> {
    for (const part of ["data", "run", "home"]) mkdirSync(join(dir, part), { recursive: true });
    const mounts = OWN_FOLDERS.map((path) => {
      const own = join(dir, path.replaceAll("/", "-"));
      mkdirSync(own, { recursive: true });
      return `mkdir -p ${path}; mount --bind ${own} ${path}`;
    });
    for (const part of ["upper", "work"]) mkdirSync(join(dir, "etc", part), { recursive: true });
    const etc = `lowerdir=/etc,upperdir=${dir}/etc/upper,workdir=${dir}/etc/work`;
    const script = `mount --make-rprivate /; ${LEAVE_MOUNTS}
      ${mounts.join("\n")}
      mount -t overlay overlay -o ${etc} /etc
      rm -rf /etc/cni /etc/kubernetes
      hostname ${name}; echo ready; cat > /dev/null`;
    const kinds = ["--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"];
    const holder = spawn("unshare", [...kinds, "sh", "-ec", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ready = await Promise.race([once(holder.stdout!, "data"), once(holder, "exit")]);
    if (String(ready[0]).trim() !== "ready") throw new Error("a machine cannot be made here");
    const { readFileSync } = await import("node:fs");
    const children = `/proc/${holder.pid}/task/${holder.pid}/children`;
    const pid = Number(readFileSync(children, "utf8").trim().split(" ")[0]);
    return new Machine(name, address, { dir, pid }, holder);
  }

  /**
   * Runs the product until it writes `text`, and ends it there; what it has started goes on.
   * Resolves with what it wrote.
   */
  async killedAt(text: string, args: readonly string[], signal = "KILL"): Promise<string> {
    const script = 'echo "pid $$"; exec "$@"';
    const child = this.host.start("sh", ["-c", script, "sh", ...this.host.program, ...args]);
    child.stdin!.end();
    let said = "";
    await new Promise<void>((resolve) => {
      const read = (chunk: Buffer) => {
        said += String(chunk);
        if (said.includes(text)) resolve();
      };
      child.stdout!.on("data", read);
      child.stderr!.on("data", read);
      child.once("close", resolve);
    });
    const pid = /^pid (\d+)$/m.exec(said)?.[1];
    if (!said.includes(text)) throw new Error(`"${text}" is missing: ${said}`);
    const closed = once(child, "close");
    await must(this.host, `kill -${signal} ${pid}`);
    await closed;
    return said;
  }

  /** Waits until a file is there. */
  async at(path: string): Promise<void> {
    const look = async () => (await this.host.run("test", ["-e", path])).code === 0 || undefined;
    await waitFor(path, look, { timeout_ms: 60_000, interval_ms: 50 });
  }

  /** The control plane's certificates, each with its end. */
  async expiring(): Promise<string[]> {
    const { stdout } = await this.host.r2k(["certs", "check-expiration"]);
    return stdout.split("\n").filter((line) => /\d{4}-/.test(line));
  }

  /** Ends all of its processes, and with them its namespaces. */
  async close(): Promise<void> {
    await endHolder(this.#holder);
  }
}

/** Everything below the folders that `init` and `join` write; the lock is that of iptables. */
export const leftOn = (machine: Machine) =>
  must(
    machine.host,
    `
  find /etc/kubernetes /etc/cni /var/lib /var/log/pods /run /opt/cni -mindepth 1 2> /dev/null |
    grep -v '^/run/xtables.lock$' || true
  nft list tables; ip -brief link | awk '{ print $1 }' | grep -v '^lo$\\|^eth0' || true
  ps -eo args --no-headers | grep 'conmo[n]\\|machin[e] --config' || true`,
  );
