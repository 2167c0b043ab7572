import { X509Certificate } from "node:crypto";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DRAW_SEED, inTurn } from "../../testing/drawn.ts";
import { waitFor } from "../../testing/wait.ts";
import { installedLibfaketime } from "../clock/libfaketime.ts";
import { leftOn, Machine, Machines, must } from "./machines/machine.ts";
import { otherBuild } from "./machines/other-build.ts";

// Takes turns, control planes: see hard-way.test.ts.
const TOKEN = "abcdef.0123456789abcdef";
const ADMIN = "/etc/kubernetes/admin.conf";
/** The phases by what `init` notes of each. */
const PHASES = (
  "preflight certs kubeconfig etcd control-plane kubelet-start wait-control-plane upload-config " +
  "upload-certs mark-control-plane bootstrap-token kubelet-finalize addons"
).split(" ");
const moved = (pod: string) => `Moved new manifest to "/etc/kubernetes/manifests/${pod}.yaml"`;
/** The steps of `upgrade apply` by what it notes of each. */
const UPGRADE_STEPS = [
  "[preflight] Running",
  ..."etcd kube-apiserver kube-controller-manager kube-scheduler".split(" ").map(moved),
  'Component "kube-scheduler" upgraded successfully!',
  "[upload-config]",
  "[upgrade/kubelet] Repl",
];
/** Kills of `init`, and of an upgrade, beside the judged one. */
const KILLS_DRAWN = 1;
const patience = { clock: machineClock(), timeout_ms: 90_000, interval_ms: 500 };
const CLIENT_PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const AGENT = "cut -d ' ' -f 1 /run/r2k/.machine/machine.pid";

/** The steps at which this run kills a command: some, and one whose traces are judged. */
function killed(steps: readonly string[], judged: string): readonly string[] {
  const some = new Set([judged, ...inTurn(`kills, ${judged}`, steps, KILLS_DRAWN)]);
  return steps.filter((step) => some.has(step));
}

let machines: Machines;
let first: Machine;
let second: Machine;
let third: Machine;
let certificateKey: string;
let web: string;

beforeAll(async () => {
  machines = await Machines.create();
  first = await machines.add("cp-1");
  second = await machines.add("worker-1");
  third = await machines.add("cp-2");
});

afterAll(async () => {
  for (const machine of [third, second, first]) await machine.host.r2k(["reset", "--force"]);
  await machines.close();
});

/** Groups are the machine's that runs the test: each machine has one of its own. */
function configOf(machine: Machine): string {
  const file = join(machines.dir, `${machine.name}.yaml`);
  const kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
  writeFileSync(file, `${kind}cgroupRoot: /r2k/machines-${process.pid}-${machine.name}\n`);
  return file;
}

const kubectl = (...args: string[]) => first.host.run("kubectl", ["--kubeconfig", ADMIN, ...args]);

async function until(what: string, args: string[], holds: (answer: string) => boolean) {
  const ask = async () => {
    const { stdout } = await kubectl(...args);
    return holds(stdout) ? stdout : undefined;
  };
  return waitFor(what, ask, patience);
}

const joinWords = async () => {
  const { stdout } = await first.host.r2k(["token", "create", "--print-join-command"]);
  return stdout.trim().split(" ").slice(1);
};

/** Moves the clock of a command, and of what it starts, by seconds. */
const clockAt = (moved: string) => ({
  LD_PRELOAD: installedLibfaketime(),
  FAKETIME: moved,
  FAKETIME_DONT_FAKE_MONOTONIC: "1",
  NO_FAKE_STAT: "1",
});

/** The words of kubectl that print a field of `what`. */
const field = (what: string, path: string) => ["get", ...what.split(" "), "-o", `jsonpath=${path}`];
const CONFIG_HASH = "{.metadata.annotations.kubernetes\\.io/config\\.hash}";
const SCHEDULER_HASH = field("pod -n kube-system kube-scheduler-cp-1", CONFIG_HASH);
/** The uids of pods with a label, and how often their containers were started again. */
const podsOf = async (label: string) => {
  const uids = "{range .items[*]}{.metadata.uid}{..restartCount} {end}";
  return (await kubectl(...field(`pods -A -l ${label}`, uids))).stdout;
};
const readyOf = (name: string) =>
  field(`node ${name}`, "{.status.conditions[?(@.type=='Ready')].status}");

/** Runs the product on the first machine where a folder takes no more files. */
function onFullDisk(place: string, args: readonly string[]) {
  const words = [...first.host.program, ...args].map((word) => `'${word}'`).join(" ");
  return first.host.run("unshare", [
    "--mount",
    "sh",
    "-ec",
    `
    mount -t tmpfs -o size=4k tmpfs /mnt; mkdir /mnt/u /mnt/w
    echo > /mnt/page
    mount -t overlay -o lowerdir=${place},upperdir=/mnt/u,workdir=/mnt/w overlay ${place}
    exec ${words}`,
  ]);
}

describe("machines, each with namespaces and folders of its own", () => {
  let clean: string;

  it("init is refused by the names of the checks that fail", async () => {
    clean = await leftOn(first);
    await must(first.host, "sysctl -qw net.ipv4.ip_forward=0");
    const refused = await first.host.r2k(["init", "--config", configOf(first)]);
    expect(refused).toMatchObject({ code: 2 });
    const check = "[ERROR FileContent--proc-sys-net-ipv4-ip_forward]";
    expect(refused.stderr).toContain(check);
    expect(existsSync(join(machines.dir, "cp-1/etc/upper/kubernetes"))).toBe(false);
    await must(first.host, "sysctl -qw net.ipv4.ip_forward=1");
  });

  it(`init makes a control plane of static pods, after kills in phases (seed ${DRAW_SEED})`, async () => {
    const endpoint = ["--control-plane-endpoint", `${first.address}:6443`, "--upload-certs"];
    const patches = join(machines.dir, "patches");
    mkdirSync(patches);
    writeFileSync(join(patches, "kubeletconfiguration.yaml"), "maxPods: 42\n");
    writeFileSync(
      join(patches, "etcd+json.json"),
      '[{ "op": "add", "path": "/metadata/labels/patched", "value": "yes" }]',
    );
    const more = [...endpoint, "--ignore-preflight-errors=all", "--patches", patches];
    const args = ["init", "--config", configOf(first), "--token", TOKEN, ...more];
    let ca = "";
    for (const phase of killed(PHASES, "kubeconfig")) {
      await first.killedAt(`[${phase}]`, args);
      if (phase === "kubeconfig") ca = await must(first.host, "cat /etc/kubernetes/pki/ca.key");
    }
    const init = await first.host.r2k(args);
    expect(init.code, init.stderr).toBe(0);
    certificateKey = /--certificate-key (\w{64})/.exec(init.stdout)?.[1] ?? "";
    expect(init.stderr).toContain('[certs] Using existing "apiserver" certificate and key');
    expect(init.stdout).toContain(`r2k join ${first.address}:6443 --token ${TOKEN}`);
    expect(await must(first.host, "cat /etc/kubernetes/pki/ca.key")).toBe(ca);
    await until("the node", readyOf("cp-1"), (answer) => answer === "True");
    const pods = ["get", "pods", "-n", "kube-system", "-l", "tier=control-plane", "-o", "name"];
    await until("the static pods", pods, (names) => names.trim().split("\n").length === 4);
    const capacity = await kubectl(...field("node cp-1", "{.status.capacity.pods}"));
    expect(capacity.stdout).toBe("42");
    const patched = ["get", "pods", "-n", "kube-system", "-l", "patched=yes", "-o", "name"];
    expect((await kubectl(...patched)).stdout).toBe("pod/etcd-cp-1\n");
  });

  it("another user of the machine reads what is public alone, and writes nothing", async () => {
    const as = "setpriv --reuid 65533 --regid 65533 --clear-groups";
    const found = await must(
      first.host,
      `${as} find /etc/kubernetes /var/lib /var/log /run \\
      "(" -type f -readable -o ! -type l -writable ")" 2> /dev/null || true`,
    );
    const isPublic = (path: string) =>
      /^\/etc\/kubernetes\/pki\/.+\.(crt|pub)$/.test(path) ||
      ["/run/r2k/.machine/subnet.env", "/run/xtables.lock"].includes(path);
    const paths = found.trim().split("\n");
    expect(paths).toContain("/etc/kubernetes/pki/ca.crt");
    expect(paths.filter((path) => !isPublic(path))).toEqual([]);
  });

  it("a further user has a kubeconfig by the cluster's CA", async () => {
    const words = ["kubeconfig", "user", "--client-name", "ann", "--org", "dev"];
    const made = await first.host.r2k(words);
    expect(made.code, made.stderr).toBe(0);
    await must(first.host, "cat > /run/ann.conf", made.stdout);
    const whoami = "kubectl --kubeconfig /run/ann.conf auth whoami -o json; rm /run/ann.conf";
    const { status } = JSON.parse(await must(first.host, whoami)) as {
      status: { userInfo: { username: string; groups: string[] } };
    };
    expect(status.userInfo).toMatchObject({ username: "ann", groups: ["dev", expect.anything()] });
  });

  it("a wrong hash and a wrong token leave nothing on the machine that joins", async () => {
    const clean = await leftOn(second);
    const endpoint = `${first.address}:6443`;
    const join = (token: string, hash: string) =>
      second.host.r2k(["join", endpoint, "--token", token, "--discovery-token-ca-cert-hash", hash]);
    expect((await join(TOKEN, "sha256:00")).stderr).toContain("not sha256:00");
    const wrong = await join("abcdef.0000000000000000", "sha256:00");
    expect(wrong.stderr).toContain("the token's secret is wrong");
    const unknown = await join("zzzzzz.0123456789abcdef", "sha256:00");
    expect(unknown.stderr).toContain("is not known to the cluster, or has ended");
    expect(await leftOn(second)).toBe(clean);
  });

  it("a clock ten minutes behind and the CA of another cluster are refused by name", async () => {
    const clean = await leftOn(second);
    const words = await joinWords();
    const behind = await second.host.r2k(words, { env: clockAt("-600") });
    expect(behind.stderr).toContain("its certificate is not valid at this machine's time");
    expect(behind.stderr).toContain("set the clocks of both machines");
    const { cert } = await createCa({ commonName: "other", days: 1, now_ms: Date.now() });
    const place = "/etc/kubernetes/pki/ca.crt";
    await must(second.host, `mkdir -p /etc/kubernetes/pki; cat > ${place}`, cert);
    const other = await second.host.r2k(words);
    expect(other.stderr).toContain(`${place} is the CA of another cluster`);
    expect(await must(second.host, `cat ${place}; rm -r /etc/kubernetes`)).toBe(cert);
    expect(await leftOn(second)).toBe(clean);
  });

  it("a join that was killed is undone by reset", async () => {
    const clean = await leftOn(third);
    const name = ["--node-name", "short-lived", "--config", configOf(third)];
    await third.killedAt("[kubelet-start]", [...(await joinWords()), ...name]);
    expect(await leftOn(third)).toContain("/etc/kubernetes/bootstrap-kubelet.conf");
    // A process that is ended while it writes leaves this.
    await must(third.host, "touch /etc/kubernetes/.kubelet.conf.new");
    const reset = await third.host.r2k(["reset", "--force"]);
    expect(reset.code, reset.stderr).toBe(0);
    expect(await leftOn(third)).toBe(clean);
    // A kubelet that was quick has registered its Node, which `reset` leaves.
    await kubectl("delete", "node", "short-lived", "--ignore-not-found");
  });

  it("a machine whose clock is five minutes behind joins, once, and no other as it", async () => {
    const words = await joinWords();
    const [joined, reset] = await Promise.all([
      second.host.r2k([...words, "--config", configOf(second)], { env: clockAt("-300") }),
      second.at("/etc/kubernetes/bootstrap-kubelet.conf").then(() => {
        return second.host.r2k(["reset", "--force"]);
      }),
    ]);
    expect(reset.stderr).toMatch(/another init, join, upgrade or reset is at work .*: process \d+/);
    expect(joined.code, joined.stderr).toBe(0);
    await until("the worker", readyOf("worker-1"), (answer) => answer === "True");
    expect(await must(second.host, "ls /etc/kubernetes")).not.toContain("bootstrap-kubelet.conf");
    const twice = await second.host.r2k(words);
    expect(twice.stderr).toContain("[ERROR FileAvailable--etc-kubernetes-kubelet.conf]");
    expect(twice.stderr).toContain("r2k reset");
    for (const [machine, ...more] of [
      [second, "--ignore-preflight-errors=all"],
      [third, "--node-name", "worker-1"],
    ] as const) {
      const again = await machine.host.r2k([...words, ...more]);
      expect(again.stderr).toContain('name "worker-1" and status "Ready" already exists');
    }
  });

  it("pods on the worker are reached by a Service's name", async () => {
    const node = "/usr/local/bin/node";
    const serve = "require('http').createServer((_, s) => s.end('served')).listen(80)";
    const image = "--image=registry.k8s.io/kube-proxy:v1.36.0";
    await kubectl("create", "deployment", "web", image, "--", node, "-e", serve);
    await kubectl("expose", "deployment", "web", "--port", "80");
    const ask =
      "fetch('http://web.default.svc.cluster.local').then((r) => r.text()).then(console.log)";
    const args = ["exec", "deploy/web", "--", node, "-e", ask];
    await until("the answer", args, (answer) => answer === "served\n");
    const dns = field("pods -n kube-system -l k8s-app=kube-dns", "{.items[*].metadata.name}");
    const pods = (await kubectl(...dns)).stdout.split(" ");
    const metricsOf = (pod: string) =>
      kubectl("get", "--raw", `/api/v1/namespaces/kube-system/pods/${pod}:9153/proxy/metrics`);
    const counts = await Promise.all(pods.map(metricsOf));
    expect(counts.map(({ stdout, stderr }) => stdout + stderr).join("\n")).toMatch(
      /^coredns_dns_requests_total{.*zone="cluster.local.".*type="A"} [1-9]/m,
    );
  });

  it("a machine bounds the connections of its pods", async () => {
    const bounds = async () => (await must(second.host, "nft list ruleset")).match(/ct count/);
    expect(await waitFor("the bounds", bounds, patience)).not.toBeNull();
  });

  it("a Service leads to static pods of the control plane, as monitoring has it", async () => {
    const [pod, at] = ["kube-scheduler-cp-1", ["-n", "kube-system"]];
    await kubectl("expose", "pod", pod, ...at, "--name=scheduler", "--port=10259");
    const slices = ["endpointslices", ...at, "-l kubernetes.io/service-name=scheduler"].join(" ");
    const endpoint = "{.items[*].endpoints[*].targetRef.name}";
    await until("the static pod", field(slices, endpoint), (name) => name === pod);
    expect((await kubectl("delete", "service", "scheduler", ...at)).code).toBe(0);
  });

  const inUse = () => {
    it("a kubelet renews its certificate before its time is over", async () => {
      const [cert, key] = await Promise.all(
        ["crt", "key"].map((half) => must(first.host, `cat /etc/kubernetes/pki/ca.${half}`)),
      );
      const due = await issueCertificate(
        { cert: cert!, key: key! },
        {
          commonName: "system:node:worker-1",
          organizations: ["system:nodes"],
          usages: ["client"],
          days: 1,
        },
        Date.now() - 22 * 3_600_000,
      );
      const before = await must(second.host, AGENT);
      await must(second.host, `cat > ${CLIENT_PEM}`, `${due.cert}${due.key}`);
      await must(second.host, `kill -KILL $(${AGENT})`);
      const renewed = async () => {
        const pem = await must(second.host, `cat ${CLIENT_PEM}`);
        return pem.startsWith(due.cert) ? undefined : new X509Certificate(pem);
      };
      const { subject, validToDate } = await waitFor("its certificate", renewed, patience);
      expect(subject).toContain("CN=system:node:worker-1");
      expect(validToDate.getTime()).toBeGreaterThan(Date.now() + 24 * 3_600_000);
      // It goes on with the new one, in a process of its own.
      const since = field("lease -n kube-node-lease worker-1", "{.spec.renewTime}");
      const { stdout: last } = await kubectl(...since);
      await until("its lease", since, (time) => time > last);
      expect(await must(second.host, AGENT)).not.toBe(before);
    });

    it("a second control plane joins by the key, votes in the store, and leaves it", async () => {
      const words = [...(await joinWords()), "--control-plane", "--config", configOf(third)];
      const before = await leftOn(third);
      const wrong = await third.host.r2k([...words, "--certificate-key", "0".repeat(64)]);
      expect(wrong.stderr).toContain("the certificate key does not fit");
      expect(await leftOn(third)).toBe(before);
      const joined = await third.host.r2k([...words, "--certificate-key", certificateKey]);
      expect(joined.code, joined.stderr).toBe(0);
      await until("the second control plane", readyOf("cp-2"), (answer) => answer === "True");
      const own = ["--server", `https://${third.address}:6443`];
      const made = await kubectl(...own, "create", "configmap", "from-second");
      expect(made.stdout, made.stderr).toContain("created");
      expect((await kubectl("get", "configmap", "from-second", "-o", "name")).code).toBe(0);
      const reset = await third.host.r2k(["reset", "--force"]);
      expect(reset.stderr).toContain("Removing this machine's member of etcd");
      expect(await leftOn(third)).toBe(before);
      // Alone again, the first has a majority.
      const after = await kubectl("create", "configmap", "from-first");
      expect(after.stdout, after.stderr).toContain("created");
      await kubectl("delete", "node", "cp-2");
    });

    it("a load balancer's address from a pool answers on the machines' link", async () => {
      const address = "10.77.0.200";
      const map = ["configmap", "-n", "kube-system", "load-balancer-pools"];
      await kubectl("create", ...map, `--from-literal=default=${address}`);
      await kubectl("patch", "service", "web", "-p", '{"spec":{"type":"LoadBalancer"}}');
      const ip = field("service web", "{.status.loadBalancer.ingress[0].ip}");
      await until("the address", ip, (text) => text === address);
      // A machine of the link that is in no cluster: it finds the address by ARP alone.
      const ask = async () => (await third.host.run("curl", ["-s", "-m", "1", address])).stdout;
      await waitFor("the answer", async () => (await ask()) === "served" || undefined, patience);
      await kubectl("delete", ...map);
      await until("no address", ip, (text) => text === "");
    });

    it("an edited manifest changes the component; one with an error does not end it", async () => {
      const file = "/etc/kubernetes/manifests/kube-scheduler.yaml";
      const { stdout: before } = await kubectl(...SCHEDULER_HASH);
      await must(first.host, `sed -i s/leader-elect=true/leader-elect=false/ ${file}`);
      const after = await until(
        "another pod",
        SCHEDULER_HASH,
        (now) => now !== "" && now !== before,
      );
      const running = async () => {
        const args = await must(first.host, "ps -eo args --no-headers");
        const own = args.split("\n").filter((line) => line.includes("kube-scheduler --auth"));
        return own.join("\n") || undefined;
      };
      expect(await waitFor("its process", running, patience)).toContain("--leader-elect=false");
      await must(first.host, `echo 'broken: [' >> ${file}`);
      const log = "grep 'a static pod file cannot be used' /var/lib/r2k/.machine/logs/machine.log";
      const said = async () => (await first.host.run("sh", ["-c", log])).stdout || undefined;
      expect(await waitFor("the error", said, patience)).toContain(file);
      const reason = "--field-selector=reason=InvalidStaticPod";
      const events = field(`events ${reason}`, "{.items[*].message}");
      await until("its event", events, (message) => message.includes(file));
      expect(await running()).toContain("--leader-elect=false");
      expect((await kubectl(...SCHEDULER_HASH)).stdout).toBe(after);
      await must(first.host, `sed -i -e '/^broken: /d' -e s/elect=false/elect=true/ ${file}`);
      await until("the former pod", SCHEDULER_HASH, (now) => now === before);
    });
  };

  const upgrades = () => {
    it("an upgrade goes on after kills, Ctrl-C and a full disk, and renews certificates", async () => {
      web = await podsOf("app=web");
      expect(web).not.toBe("");
      const patches = ["--patches", join(machines.dir, "patches")];
      const next = otherBuild(join(machines.dir, "next"));
      for (const { host } of [first, second]) host.program = next;
      const apply = ["upgrade", "apply", ...patches];
      const none = await onFullDisk("/var/lib/r2k/.machine/runtime/images", apply);
      expect(none.stderr).toMatch(/no room for images|no space/);
      const plan = await first.host.r2k(["upgrade", "plan", ...patches]);
      expect(plan.stdout).toMatch(/^kube-apiserver +cp-1 +v1.36.0 +v1.36.0_r2k\.\w{8}$/m);
      const diff = await first.host.r2k(["upgrade", "diff", ...patches]);
      const lines = diff.stdout.split("\n").filter((line) => /^[+-] /.test(line));
      expect(lines.filter((line) => !line.includes(" image: "))).toEqual([]);
      expect(lines).toHaveLength(8);
      const before = await first.expiring();
      const kills = killed(UPGRADE_STEPS, UPGRADE_STEPS.at(-1)!);
      for (const step of UPGRADE_STEPS) {
        if (step === moved("kube-controller-manager")) {
          const said = await first.killedAt(step, apply, "INT");
          expect(said).toContain("the upgrade was interrupted\n  remedy: run it again");
          const full = await onFullDisk("/etc/kubernetes/manifests", apply);
          expect(full.stderr).toMatch(/kube-scheduler.yaml cannot be written: no space is left/);
        }
        // A run that goes on notes again what the former had moved.
        if (kills.includes(step)) await first.killedAt(step, apply);
      }
      const applied = await first.host.r2k(apply);
      expect(applied.code, applied.stderr).toBe(0);
      expect(applied.stderr).toContain("manifests of kube-scheduler are equal, skipping");
      expect(applied.stderr).toContain("kube-proxy and CoreDNS stay as they are: worker-1 lack");
      await must(first.host, "test ! -e /etc/kubernetes/tmp/r2k-upgrade-backup");
      const after = await first.expiring();
      expect(after.filter((line, index) => line === before[index])).toEqual([]);
    });

    it("an upgrade keeps others out, and touches no pod; the last node's brings add-ons", async () => {
      const busy = /another init, join, upgrade or reset is at work on this machine/;
      const node = ["upgrade", "node"];
      // The first one keeps the lock until its end, so the second is refused at each of its steps.
      const nodes = await Promise.all([second.host.r2k(node), second.host.r2k(node)]);
      expect(nodes.map(({ code }) => code).sort()).toEqual([0, 1]);
      expect(nodes.map((each) => each.stderr).join("")).toMatch(busy);
      expect(await podsOf("app=web")).toBe(web);
      // Now every node has the images of proxy and DNS.
      const apply = ["upgrade", "apply", "--patches", join(machines.dir, "patches")];
      await first.killedAt("[addons] Applied essential addon: CoreDNS", apply);
      const both = await Promise.all([first.host.r2k(apply), first.host.r2k(apply)]);
      expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
      const stderr = both.map((each) => each.stderr).join("");
      expect(stderr).toMatch(busy);
      expect(stderr).toContain("manifests of etcd are equal, skipping");
      await until(
        "another proxy",
        field("pods -n kube-system -l k8s-app=kube-proxy", "{.items[*].spec.containers[0].image}"),
        (seen) => seen.split(" ").every((image) => image.includes("_r2k.")),
      );
    });

    it("an older release refuses to take the cluster back, by both versions", async () => {
      const older = otherBuild(join(machines.dir, "older"), "older", (text) =>
        text.replaceAll('"v1.36.0"', '"v1.35.9"'),
      );
      for (const [machine, command] of [
        [first, "apply"],
        [second, "node"],
      ] as const) {
        const now = machine.host.program;
        machine.host.program = older;
        const refused = await machine.host.r2k(["upgrade", command]);
        machine.host.program = now;
        expect(refused).toMatchObject({ code: 2 });
        expect(refused.stderr).toMatch(/v1.36.0.*, newer than v1.35.9: an upgrade never goes back/);
      }
    });

    it("a component that does not work gets its former manifest back", async () => {
      const file = "/etc/kubernetes/manifests/kube-scheduler.yaml";
      const before = await must(first.host, `cat ${file}`);
      const { stdout: hash } = await kubectl(...SCHEDULER_HASH);
      const broken = join(machines.dir, "broken");
      // The other components are as they were: they stay.
      cpSync(join(machines.dir, "patches"), broken, { recursive: true });
      writeFileSync(
        join(broken, "kube-scheduler+json.json"),
        '[{ "op": "add", "path": "/spec/containers/0/command/-", "value": "--no-flag" }]',
      );
      const refused = await first.host.r2k(["upgrade", "apply", "--patches", broken]);
      const reason = /kube-scheduler was not upgraded: .*the former manifests are back/;
      expect(refused.stderr).toMatch(reason);
      expect(await must(first.host, `cat ${file}`)).toBe(before);
      await until("its former pod", SCHEDULER_HASH, (now) => now === hash);
    });
  };

  for (const part of inTurn("machines", [inUse, upgrades], 1)) part();

  it("reset leaves a machine as it was", async () => {
    for (const machine of [second, first]) {
      const reset = await machine.host.r2k(["reset", "--force"]);
      expect(reset.code, reset.stderr).toBe(0);
    }
    expect(await leftOn(first)).toBe(clean);
    expect(await leftOn(second)).toBe(clean);
  });
});
