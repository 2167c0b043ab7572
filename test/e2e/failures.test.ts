import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../testing/drawn.ts";
import { TestCluster } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";
import { NO_REGISTRY, sharedCluster } from "./shared-cluster.ts";

const R2K = join(import.meta.dirname, "../../r2k");

describe("r2k says what is wrong and what to do", () => {
  let host: OwnHost;
  beforeAll(async () => {
    host = await OwnHost.create();
  });
  afterAll(() => host.close());

  it("when the API's port is in use", async () => {
    const listener = host.start(process.execPath, [
      "-e",
      "require('net').createServer().listen(6443,'127.0.0.1',()=>console.log('listening'))",
    ]);
    await new Promise((resolve) => listener.stdout!.once("data", resolve));
    const started = await host.r2k(["start"]);
    listener.kill();
    expect(started.code).toBe(2);
    expect(started.stderr).toMatch(/API port: 127\.0\.0\.1:6443 cannot be used: .*EADDRINUSE/);
    expect(started.stderr).toMatch(/--api-port PORT/);
  });

  it.each([
    ["--etcd-servers", "http://127.0.0.1:9", /127\.0\.0\.1:9: .*ECONNREFUSED[^]*start that etcd/],
    ["--cni-bin-dir", "/nope", /\/nope is no folder of CNI plugins[^]*without --cni-bin-dir/],
  ])("when %s leads nowhere: nothing has been made then", async (flag, value, text) => {
    const started = await host.r2k(["start", flag, value]);
    expect(started.code).toBe(2);
    expect(started.stderr).toMatch(text);
    expect(started.stderr).not.toMatch(/undoing/);
    expect(existsSync(join(host.dir, "data/default"))).toBe(false);
  });

  it("when the disk is full", async () => {
    const small = join(host.dir, "small");
    mkdirSync(small);
    await host.run("mount", ["-t", "tmpfs", "-o", "size=1m", "r2k-small", small]);
    const started = await host.r2k(["start"], { env: { R2K_DATA: small } });
    expect(started.code).toBe(2);
    expect(started.stderr).toMatch(/disk: \d+ MiB free .*\n\s+remedy: .*R2K_DATA/);
  });

  it("when it may not make namespaces", async () => {
    const doctor = await host.run("setpriv", ["--bounding-set=-all", "--", R2K, "doctor"]);
    expect(doctor.code).toBe(2);
    expect(doctor.stdout).toMatch(/✗ privileges: not root\n\s+remedy: run as root/);
    expect(doctor.stdout).toMatch(/✗ network namespaces: .*\n\s+remedy:/);
  });

  it("when a cluster's file is broken; it is removed by name, and hinders no other", async () => {
    const hurt = join(host.dir, "data", "hurt");
    mkdirSync(hurt, { recursive: true });
    writeFileSync(join(hurt, "cluster.json"), '{ "formatVersion": 1, "na');
    const started = await host.r2k(["start", "--name", "hurt"]);
    expect(started.code).toBe(1);
    expect(started.stderr).toMatch(/data\/hurt\/cluster\.json is not JSON/);
    expect(started.stderr).toMatch(/remedy: put the file back .*down --purge --name hurt/);
    expect((await host.r2k(["doctor", "--name", "other"])).stdout).toMatch(/API port: .* free/);
    const down = await host.r2k(["down", "--purge", "--name", "hurt"]);
    expect(down.code, down.stderr).toBe(0);
    expect(existsSync(hurt)).toBe(false);
  });

  it("when there is no such cluster, name or component", async () => {
    const status = await host.r2k(["status", "--name", "nope"]);
    expect(status.code).toBe(1);
    expect(status.stderr).toMatch(
      /no cluster "nope".*\n.*remedy: start one: r2k start --name nope/,
    );
    expect((await host.r2k(["start", "--name", "No!"])).stderr).toMatch(/not usable/);
    expect((await host.r2k(["logs", "etcd"])).stderr).toMatch(/no component "etcd".*\n.*one of/);
    expect((await host.r2k(["strat"])).stderr).toMatch(/there is no command "strat"/);
  });
});

describe("the cluster says what is wrong where one looks", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await sharedCluster("faulty");
  });
  afterAll(() => cluster?.leave());

  const events = (name: string) => [
    "get",
    "events",
    "--field-selector",
    `involvedObject.name=${name}`,
    "-o",
    "jsonpath={range .items[*]}{.reason}: {.message}{'\\n'}{end}",
  ];

  it("a file that is no YAML, an unknown kind, an unknown field", async () => {
    const broken = await cluster.kubectl(["apply", "-f", "-"], { input: "a: [b" });
    expect(broken.stderr).toMatch(/error parsing|error converting YAML/);
    const kind = await cluster.kubectl(["apply", "-f", "-"], {
      input: "apiVersion: v1\nkind: Pot\nmetadata: { name: x }\n",
    });
    expect(kind.stderr).toMatch(/no matches for kind "Pot"/);
    const field = await cluster.kubectl(["apply", "-f", "-"], {
      input: "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\ndatta: { a: b }\n",
    });
    expect(field.code).not.toBe(0);
    expect(field.stderr).toMatch(/unknown field "datta"/);
  });

  it("an image that is nowhere", async () => {
    await cluster.ask("run", "lost", `--image=${NO_REGISTRY}/lost:1`);
    const said = await cluster.until("the event", events("lost"), (text) => {
      return /ErrImagePull|Failed/.test(text);
    });
    expect(said).toContain(`Failed to pull image "${NO_REGISTRY}/lost:1"`);
    expect(said).toContain("127.0.0.1:9");
    const words = ["container", "--cluster", cluster.name, "pull", `${NO_REGISTRY}/lost:1`];
    expect((await cluster.host.r2k(words)).stderr).toContain("127.0.0.1:9");
    const waiting = "jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    await cluster.until("the state", ["get", "pod", "lost", "-o", waiting], (text) => {
      return /ErrImagePull|ImagePullBackOff/.test(text);
    });
  });

  it("a pod that fits nowhere", async () => {
    await cluster.ask(
      "run",
      "huge",
      "--image=r2k.local/busybox:1",
      `--overrides={"spec":{"containers":[{"name":"huge","image":"r2k.local/busybox:1",` +
        `"resources":{"requests":{"cpu":"900"}}}]}}`,
    );
    const said = await cluster.until("the event", events("huge"), (text) => text !== "");
    expect(said).toMatch(/FailedScheduling: 0\/1 nodes are available: 1 Insufficient cpu/);
  });

  it("a container that ends at once", async () => {
    await cluster.ask("run", "short", "--image=r2k.local/busybox:1", "--", "sh", "-c", "exit 3");
    const reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    await cluster.until("back-off", ["get", "pod", "short", "-o", reason], (text) => {
      return text === "CrashLoopBackOff";
    });
    const code = "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}";
    expect(await cluster.ask("get", "pod", "short", "-o", code)).toBe("3");
  });
});

describe("a network plugin that fails", () => {
  const atStart = () =>
    it("the start says which plugin and what it did", async () => {
      const host = await OwnHost.create();
      const plugins = join(host.dir, "plugins");
      mkdirSync(plugins);
      const script = "#!/bin/sh\necho broken pipe dream >&2\nexit 9\n";
      for (const name of ["bridge", "host-local", "portmap", "bandwidth", "loopback"]) {
        writeFileSync(join(plugins, name), script, { mode: 0o755 });
      }
      const flags = ["--no-demo", "--ready-timeout", "8", "--cni-bin-dir", plugins];
      const started = await host.r2k(["start", ...flags]);
      await host.close();
      expect(started.code).toBe(1);
      expect(started.stderr).toMatch(/is not Ready: .*network.*plugin (bridge|portmap|bandwidth) /);
    });

  const ofPod = () =>
    it("when a pod is made: the pod's event says which plugin and what it said", async () => {
      const host = await OwnHost.create();
      const plugins = join(host.dir, "plugins");
      mkdirSync(plugins);
      const script = [
        "#!/bin/sh",
        'case "$CNI_COMMAND" in',
        `VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}';;`,
        `ADD) echo '{"cniVersion":"1.0.0","code":99,"msg":"the cable is out"}'; exit 1;;`,
        "esac",
      ].join("\n");
      for (const name of ["bridge", "host-local", "portmap", "bandwidth", "loopback"]) {
        writeFileSync(join(plugins, name), script, { mode: 0o755 });
      }
      const cluster = await TestCluster.startIn(host, "badcni", [
        "--no-demo",
        "--cni-bin-dir",
        plugins,
      ]);
      try {
        await cluster.ask("run", "pod", "--image=r2k.local/busybox:1");
        const text = "jsonpath={range .items[*]}{.reason}: {.message}{'\\n'}{end}";
        const said = await cluster.until("the event", ["get", "events", "-o", text], (events) => {
          return events.includes("FailedCreatePodSandBox");
        });
        expect(said).toMatch(/bridge.*the cable is out/);
      } finally {
        await cluster.close();
      }
    });

  // Each starts a cluster.
  for (const judge of inTurn("failing plugins", [atStart, ofPod], 1)) judge();
});
