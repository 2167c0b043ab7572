import { spawn } from "node:child_process";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { Hand } from "./hand.ts";

// Takes turns, containers by hand: see by-hand.test.ts.

const DISK_MIB = 128;
const hand = new Hand({ disk_mib: DISK_MIB });
afterAll(() => hand.close());

test("on a disk that a container has filled, containers are shown, stopped and removed", () => {
  const output = hand.sh(`
    c run -d --name beside --network none bb:1 \
      sh -c 'trap "exit 3" TERM; sleep 1000 & wait' >/dev/null
    c run -d --name full --network none bb:1 \
      sh -c 'sleep 1; dd if=/dev/zero of=/f bs=1M; echo more > /g; sleep 1000' >/dev/null
    until [ $(df --output=avail "$R2K_DATA" | tail -1) -eq 0 ]; do sleep 0.1; done
    c run --rm --network none bb:1 true 2>&1 | grep -o 'the disk is full'
    c stop beside; c ps -a --format '{{.Names}} {{.State}}'; c rm -f full
    c wait beside; c start beside; c rm -f beside
    c run --rm --network none bb:1 echo again; ls "$R2K_RUN"/default/hand/containers | wc -l
  `);
  expect(output.split("\n")).toEqual([
    "the disk is full",
    "beside",
    "full running",
    "beside exited",
    "full",
    "3",
    "beside",
    "beside",
    "again",
    "0",
    "",
  ]);
});

test("a build ends when the disk is nearly full, or a step needs more than it may", () => {
  const failing = (step: string, ...flags: string[]) => {
    hand.context({ Dockerfile: `FROM bb:1\nRUN ${step}\n` });
    const words = flags.join(" ");
    return hand.sh(`
      c build ${words} context 2>&1 >/dev/null | tail -2; df -k --output=used "$R2K_DATA" | tail -1
      find "$R2K_DATA" "$R2K_RUN" -path '*/builds/*' | wc -l`);
  };
  const before = failing("exit 4");
  expect(before).toContain("ended with exit code 4");
  const full = failing("dd if=/dev/zero of=/f bs=1M count=110 && sleep 1000");
  expect(full).toContain("no room for images");
  const memory = failing("dd if=/dev/zero of=/dev/null bs=64M count=1", "-m", "16m");
  expect(memory).toContain("killed, as one is that uses more memory than 16777216 bytes");
  const forks = "for each in $(seq 64); do sleep 1000 & done; wait";
  const pids = failing(forks, "--pids-limit", "16");
  expect(pids).toContain("it may have no more than 16 processes (build --pids-limit)");
  // Each alone has no more than it may; both are there before one ends.
  const half = (own: string, other: string) =>
    `--mount=type=cache,target=/c trap ': > /c/${own}' EXIT; ` +
    `for each in $(seq 10); do sleep 1000 & done; : > /c/${own}; until [ -e /c/${other} ]; do :; done`;
  const stages = `${half("a", "b")}\nFROM bb:1\nRUN ${half("b", "a")}\nCOPY --from=0 /etc /etc`;
  const together = failing(stages, "--pids-limit", "16");
  expect(together).toContain("it may have no more than 16 processes (build --pids-limit)");
  const [used, left] = before.trim().split("\n").slice(-2).map(Number);
  expect(left).toBe(0);
  for (const output of [full, memory, pids, together]) {
    const [now, leftNow] = output.trim().split("\n").slice(-2).map(Number);
    expect(leftNow).toBe(0);
    expect(now).toBeLessThan(used! + 1024);
  }
});

test("a disk is read and written no faster than was asked for", () => {
  const output = hand.sh(`
    disk=$(lsblk -dpno NAME,TYPE | awk '$2 == "disk" {print $1; exit}')
    c create --name slow --network none --device-write-bps $disk:10mb --device-read-iops $disk:99 \
      bb:1 sh -c 'cd /sys/fs/cgroup/blkio; cat blkio.throttle.*_bps_device *.read_iops_device' \
      >/dev/null
    c inspect --format '{{(index .HostConfig.BlkioDeviceWriteBps 0).Rate}}' slow
    c start -a slow; c rm slow
    c run --rm --device-read-bps /dev/null:1 bb:1 true 2>&1 || true
    c run --rm --blkio-weight 9 bb:1 true 2>&1 || true`);
  expect(output.split("\n")).toEqual([
    "10485760",
    expect.stringMatching(/^\d+:\d+ 10485760$/),
    expect.stringMatching(/^\d+:\d+ 99$/),
    "slow",
    "r2k: /dev/null is no block device",
    'r2k: --blkio-weight "9": no number from 10 to 1000',
    "",
  ]);
});

test("a CDI device changes the container as the vendor's file says", () => {
  const file = {
    cdiVersion: "0.6.0",
    kind: "acme.example/wheel",
    containerEdits: { env: ["ALL=yes"] },
    devices: [
      {
        name: "front",
        containerEdits: {
          deviceNodes: [
            { path: "/dev/wheel", hostPath: "/dev/kmsg", permissions: "w" },
            { path: "/dev/made", type: "c", major: 1, minor: 3, fileMode: 0o600 },
          ],
          mounts: [{ hostPath: "/run/wheel", containerPath: "/wheel", options: ["ro", "bind"] }],
          additionalGids: [1234],
          hooks: [
            { hookName: "createRuntime", path: "/bin/touch", args: ["touch", "/run/hooked"] },
          ],
        },
      },
    ],
  };
  const context = hand.context({ "wheel.json": JSON.stringify(file) });
  const output = hand.sh(`
    inside() {
      mount -t tmpfs tmpfs /run; mkdir /run/cdi; cp ${context}/wheel.json /run/cdi
      echo round > /run/wheel
      c run --rm --network none -u 1000 --device acme.example/wheel=front bb:1 sh -c '
        echo $ALL; stat -c "%a %t:%T %u" /dev/wheel /dev/made; id -G; cat /wheel
        : > /dev/wheel; (: < /dev/wheel) 2>/dev/null || echo written only'
      test -e /run/hooked && echo hooked
      c run --rm --network none --device acme.example/wheel=rear bb:1 true 2>&1 | head -1
    }
    export -f c inside; unshare -m bash -c inside`);
  expect(output.split("\n")).toEqual([
    "yes",
    "666 1:b 1000",
    "600 1:3 1000",
    "1000 1234",
    "round",
    "written only",
    "hooked",
    "r2k: no CDI device acme.example/wheel=rear in /etc/cdi, /var/run/cdi",
    "",
  ]);
});

test("Ctrl-C, which comes twice, ends a build and all that its step runs", async () => {
  hand.context({ Dockerfile: "FROM bb:1\nRUN sleep 4322 & sleep 4322\n" });
  const { R2K } = hand.environment;
  const build = spawn("unshare", ["-n", R2K, "container", "build", `${hand.dir}/context`], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...hand.environment },
  });
  let output = "";
  build.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise((resolve) => build.once("close", resolve));
  const sleeps = () => hand.sh("pgrep -fcx 'sleep 4322' || :").trim();
  await waitFor("the step", () => sleeps() === "2", { clock: machineClock() });
  process.kill(-build.pid!, "SIGINT");
  process.kill(-build.pid!, "SIGINT");
  expect(await ended).toBe(1);
  expect(output).toContain("the build was interrupted");
  expect(sleeps()).toBe("0");
  expect(hand.sh(`find "$R2K_DATA" "$R2K_RUN" -path '*/builds/*'`)).toBe("");
});

test("two builds of one cache at once make the same image", () => {
  hand.context({
    a: "a\n",
    Dockerfile: [
      "FROM bb:1",
      "COPY a /a",
      ...[1, 2, 3, 4].map((each) => `RUN echo ${each} > /${each}`),
    ].join("\n"),
  });
  const output = hand.sh(
    `
    for n in 1 2 3; do c build -q context > id.$n & pids="$pids $!"; done
    for pid in $pids; do wait $pid; done; sort -u id.* | wc -l; c build -q context | cmp - id.1
    c run --rm --network none $(cat id.1) cat /a /1 /4; c system prune -f >/dev/null
  `,
    { SOURCE_DATE_EPOCH: "1000" },
  );
  expect(output).toBe("1\na\n1\n4\n");
});

test("archives of xz and bzip2 are added, loaded and imported", () => {
  hand.context({ Dockerfile: "FROM bb:1\nADD f.tar.xz f.tar.bz2 /d/\n" });
  const output = hand.sh(`
    for z in xz bzip2; do echo $z > $z; done
    tar -cJf context/f.tar.xz xz; tar -cjf context/f.tar.bz2 bzip2
    c build -q -t z:1 context >/dev/null; c run --rm --network none z:1 cat /d/xz /d/bzip2
    c save z:1 | xz > z.xz; c rmi z:1 >/dev/null; c load -i z.xz
    tar -c -C bb . | bzip2 | c import - z:2 >/dev/null; c run --rm --network none z:2 /bin/echo z
    head -c 2000 z.xz | c load 2>&1 || :; c rmi z:1 z:2 >/dev/null
  `);
  expect(output).toMatch(/^xz\nbzip2\nLoaded image: z:1\nz\n.*not decompressed/);
});

test("names that are flags are refused, and flags after the image are the command's", () => {
  const refused = [
    "run --name --rm bb:1",
    "run --name=-x bb:1 true",
    "run --network=--rm bb:1 true",
    "run -v=-x:/m bb:1 true",
    "create --name=--privileged bb:1",
    "tag bb:1 -- --x",
    "tag bb:1 -x",
    "rename -- f -x",
    "rename f --x",
    "volume create -- -x",
    "network create -- --x",
    "pull -- -x",
    "push -- --all",
    "rmi -- -f",
    "rm -- -f",
    "stop -- -t",
    "exec -- -it sh",
    "commit -- f --x",
    "build -t=--x context",
    "load -i",
    "save -- -o",
    "import -- - -x",
    "logs -- -f",
    "cp -- -x -y",
    "inspect -- -f",
    "network rm -- -x",
    "volume rm -- --all",
    "run -- -it sh",
  ];
  hand.context({ Dockerfile: "FROM bb:1\nCOPY -x /\n", "-x": "dashed\n" });
  const output = hand.sh(`
    c create --name f --network none bb:1 true >/dev/null
    state() { c ps -a --format '{{.Names}}'; c images -q; c volume ls; c network ls; }
    state > before
    ${refused
      .map(
        (words) => `if c ${words} </dev/null >/dev/null 2>err; then
      echo "taken: ${words}"; elif ! grep -q . err; then echo "silent: ${words}"; fi`,
      )
      .join("\n")}
    state | diff before - || :
    c run --rm --network none bb:1 echo --rm -it --privileged; c build -q -t x:1 context >/dev/null
    c run --rm --network none x:1 cat /-x; c cp f:/bin/busybox -- -y 2>/dev/null || :
    c cp -- f:/etc/passwd -p; head -1 ./-p | cut -d: -f1; c rm f
  `);
  expect(output).toBe("--rm -it --privileged\ndashed\nroot\nf\n");
});
