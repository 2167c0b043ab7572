import { createHash } from "node:crypto";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "@lydell/node-pty";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { Hand } from "./hand.ts";

// Takes turns, containers by hand: the files run them by the command line, here its great verbs,
// in words.test.ts its flags, in limits.test.ts what bounds them, in ../runtime-class.test.ts a
// kubelet.

const hand = new Hand();
afterAll(() => hand.close());

test("a container is run, published, changed, committed and removed", () => {
  const output = hand.sh(`
    c run --rm bb:1 sh -c 'exit 7' || echo "code $?"
    c run -d --name web -p 8080:80 -v data:/www bb:1 httpd -f -h /www >/dev/null
    curl -sf --retry 20 --retry-connrefused http://127.0.0.1:8080/f
    c exec web sh -c 'echo new > /added'
    c diff web | grep added
    c commit web bb:2 >/dev/null
    c rm -f web >/dev/null
    c run --rm -v data:/data:ro bb:2 cat /added /data/f
    c ps -aq
  `);
  expect(output).toBe("code 7\nhi\nA /added\nnew\nhi\n");
});

test("a build's bytes are the same twice, and nothing of the host is in its reach", () => {
  hand.context({
    a: "content\n",
    Dockerfile: [
      "FROM bb:1 AS one",
      "COPY a /x/",
      "RUN cat /x/a > /y && ls /sys/class/net > /n",
      "RUN mknod /c c 5 1 && mknod /d c 1 3 && : > /d && ! (: > /c); rm /c /d",
      "FROM bb:1",
      "COPY --from=one /y /n /",
      "CMD cat /y /n",
    ].join("\n"),
  });
  const build = "c build -q --no-cache -t made:1 context; ";
  const [first, second, ...ran] = hand
    .sh(build + build + "c run --rm made:1", { SOURCE_DATE_EPOCH: "1000" })
    .split("\n");
  expect(second).toBe(first);
  expect(ran).toEqual(["content", "lo", ""]);
  const folder = hand.context({ Dockerfile: "FROM bb:1\nCOPY evil /x\n" });
  symlinkSync("/etc/passwd", join(folder, "evil"));
  expect(() => hand.sh("c build -q context")).toThrow("not in the build's context");
});

test("a container starts again by its policy, and its health is tested", () => {
  const output = hand.sh(`
    c run -d --name f --restart on-failure:2 bb:1 sh -c 'echo x; exit 3' >/dev/null
    c run -d --name a --restart always bb:1 sleep 1000 >/dev/null
    c run -d --name h --health-cmd 'test -e /ok' --health-interval 50ms --health-retries 2 \
      bb:1 sleep 1000 >/dev/null
    health() { timeout 300 sh -c "until [ $1 = \\"\\$($R2K container inspect -f \
      '{{.State.Health.Status}}' h)\\" ]; do sleep 0.5; done"; echo $1; }
    health unhealthy; c exec h touch /ok; health healthy; c ps -q --filter health=healthy | wc -l
    kill -9 $(c inspect -f '{{.State.Pid}}' a)
    timeout 300 sh -c "until $R2K container inspect -f '{{.RestartCount}}{{.State.Status}}' a |
      grep -q 1running; do sleep 0.5; done"
    c restart -t 0 a; c stop -t 0 a; c ps -a --filter name=a --format '{{.Names}} {{.State}}'
    timeout 300 sh -c "until [ 3 = \\"\\$($R2K container logs f | wc -l)\\" ]; do sleep 0.5; done"
    c wait f
    c inspect -f '{{.RestartCount}}' f; c rm -f f a h >/dev/null
  `);
  expect(output.split("\n")).toEqual([
    "unhealthy",
    "healthy",
    "1",
    "a",
    "a",
    "a exited",
    "3",
    "2",
    "",
  ]);
});

test("people's networks have names, and those within lead nowhere", () => {
  const output = hand.sh(`
    c network create n >/dev/null; c network create --internal --subnet 10.77.3.0/24 i >/dev/null
    c run -d --name s --network n bb:1 httpd -f -h /www >/dev/null
    c exec s sh -c 'until wget -qO- http://127.0.0.1/f; do sleep 0.1; done' >/dev/null
    c run --rm --network n bb:1 sh -c \
      'wget -qO- http://$(grep -w s /etc/hosts | cut -f1)/f'
    c run --rm --network i bb:1 ip route | cut -d' ' -f1
    c network rm n 2>/dev/null || echo used; c rm -f s >/dev/null; c network prune
  `);
  expect(output).toBe("hi\n10.77.3.0/24\nused\nDeleted Networks:\ni\nn\n\n");
});

test("RUN mounts caches, files and memory, of which a layer has nothing; ADD checks a URL", () => {
  const folder = hand.context({
    data: "data\n",
    Dockerfile: [
      "FROM bb:1",
      "RUN --mount=type=cache,target=/c echo x >> /c/f; cat /c/f > /out",
      "RUN --mount=type=bind,source=data,target=/d/e cat /d/e >> /out",
      "RUN --mount=type=bind,from=bb:1,source=/etc,target=/d ! touch /d/n && cat /d/group >> /out",
      "RUN --mount=type=tmpfs,target=/t echo 1 > /t/x",
      "ARG SUM",
      "ADD --checksum=sha256:$SUM http://127.0.0.1:8000/data /url",
      "CMD cat /out /url; ls -d /c /d /t",
    ].join("\n"),
  });
  const output = hand.sh(`
    busybox httpd -f -p 8000 -h ${folder} >/dev/null 2>&1 &
    trap "kill $!" EXIT; sum=$(sha256sum < ${folder}/data | cut -d' ' -f1)
    b() { c build -q --network host --build-arg SUM=$sum "$@" context >/dev/null; }
    b --no-cache -t m:1; c run --rm m:1 2>&1 || :
    b -t m:2; c images -q m | uniq | wc -l
    c build -q --no-cache --network typo context 2>&1 | grep -o 'no such network: typo'
    c build -q --build-arg SUM=\${sum/?/x} -t m:1 context 2>&1 || :
  `);
  expect(output).toMatch(
    /^x\ndata\nroot:x:0:\nu:x:1000:\ndata\n(ls: \/[cdt]: No such.*\n){3}1\nno such network: typo\n/,
  );
  expect(output).toContain("needs --checksum");
});

test("an image is exported, imported, saved, loaded, tagged and removed", () => {
  const output = hand.sh(`
    c run --name e bb:1 sh -c 'echo q > /q; chown 3:4 /q'
    c export e | c import - ex:1 >/dev/null; c run --rm ex:1 /bin/ls -ln /q
    c save ex:1 bb:1 | gzip > s.tar.gz; c tag ex:1 ex:2; c rmi ex:1; c rmi ex:2 | cut -c1-14
    c load -i s.tar.gz; c run --rm ex:1 /bin/cat /q; c rmi bb:1 >/dev/null 2>&1 || echo used
    c system prune -f | head -1; c load -q -i s.tar.gz | wc -l
    gunzip s.tar.gz; skopeo inspect --format '{{.Os}}' docker-archive:s.tar:ex:1
  `);
  expect(output.split("\n").slice(0, 6)).toEqual([
    expect.stringContaining(" 3        4 "),
    "Untagged: ex:1",
    "Untagged: ex:2",
    "Deleted: sha25",
    "Loaded image: ex:1",
    "Loaded image: bb:1",
  ]);
  expect(output.split("\n").slice(6)).toEqual([
    "q",
    "used",
    "Deleted Containers:",
    "2",
    "linux",
    "",
  ]);
});

test("a terminal is left by its keys, attached again, and ends with the code", async () => {
  const clock = machineClock();
  const onTerminal = (...words: string[]) => {
    const args = ["-n", hand.environment.R2K, "container", ...words];
    const env = { ...(process.env as Record<string, string>), ...hand.environment };
    const pty = spawn("unshare", args, { cols: 80, rows: 24, env });
    let shown = "";
    pty.onData((text) => (shown += text));
    const ended = new Promise((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
    const has = (text: string) => shown.replace(/\r+/g, "").includes(text);
    const see = (text: string) => waitFor(text, () => has(text), { clock });
    return { write: (text: string) => pty.write(text), see, ended };
  };
  const first = onTerminal("run", "-it", "--network", "none", "--name", "t", "bb:1", "sh");
  await first.see("# ");
  first.write("stty size; echo A$((1+1))\r");
  await first.see("24 80");
  await first.see("A2");
  first.write("\x10\x11");
  expect(await first.ended).toBe(0);
  const again = onTerminal("attach", "t");
  again.write("echo B$((2+2))\r");
  await again.see("B4");
  again.write("exit 5\r");
  expect(await again.ended).toBe(5);
  const exec = hand.sh("c run -d --network none --name x bb:1 sleep 1000 >/dev/null; c rm t");
  expect(exec).toBe("t\n");
  const inside = onTerminal("exec", "-it", "-u", "1000:1000", "-w", "/etc", "x", "sh");
  await inside.see("$ ");
  inside.write("id -u; pwd; exit 4\r");
  expect(await inside.ended).toBe(4);
  await inside.see("1000\n/etc");
  expect(hand.sh("c rm -f x")).toBe("x\n");
});

test("a command beside a container's has pipes of its own, none of this machine's files", () => {
  const output = hand.sh(`
    c run -d --network none --name p bb:1 sleep 1000 >/dev/null
    echo in > in; c exec -i p sh -c 'cat; echo err >&2; sleep 1000 &
      for f in 0 1 2; do readlink /proc/$$/fd/$f; done | cut -d: -f1
      echo opened > /dev/stdout; exit 3' \
      < in > out 2> err || echo "code $?"
    cat out err; c rm -f p >/dev/null
  `);
  expect(output).toBe(`code 3\nin\n${"pipe\n".repeat(3)}opened\nerr\n`);
});

test("a build explains what each step made, and why the cache was used or not", () => {
  hand.context({ Dockerfile: "FROM bb:1\nENV A=1\nCOPY f /f\nRUN echo x > /x\n", f: "1" });
  const output = hand.sh(`
    explained() { c build --explain "$@" context 2>&1 | sed -nE 's/^#[34] (made|cache): //p'; }
    explained; echo again; explained; echo 2 > context/f; echo changed; explained
    echo without; explained --no-cache
  `);
  const made = /^layer sha256:[0-9a-f]{64}, 1 entries, 2048 bytes$/;
  const why = output
    .trim()
    .split("\n")
    .filter((line) => !made.test(line));
  const isNew = "not from the cache: its text, arguments or files are new";
  const isAfter = "not from the cache: the step before it was made again";
  const isSame = "the same as an earlier build's";
  const isAsked = "not from the cache: --no-cache";
  expect(why).toEqual([
    isNew,
    isAfter,
    "again",
    isSame,
    isSame,
    "changed",
    isNew,
    isAfter,
    "without",
    isAsked,
    isAsked,
  ]);
});

test("what a killed build ran is ended by the next one", () => {
  hand.context({ Dockerfile: "FROM bb:1\nRUN sleep 4321\n" });
  const output = hand.sh(`
    "$R2K" container build --network bridge context >/dev/null 2>&1 & pid=$!
    timeout 300 sh -c 'until pgrep -fx "sleep 4321"; do sleep 0.1; done' >/dev/null
    pkill -KILL -P $pid -f "container build" || :; kill -KILL $pid; wait $pid || :
    pgrep -fx "sleep 4321" | wc -l; printf 'FROM bb:1\\n' > context/Dockerfile
    c build -q context >/dev/null; pgrep -fx "sleep 4321" | wc -l; find "$R2K_RUN" -name build-*
  `);
  expect(output).toBe("1\n0\n");
});

test("networks do not reach each other, an internal one nothing, and none sends as another", () => {
  // A machine beyond this one, with a way back to all of its networks.
  const output = hand.sh(`
    unshare -n sh -c 'echo; exec busybox httpd -f -h "$DIR/bb/www"' > beyond & beyond=$!
    until [ -s beyond ]; do sleep 0.1; done
    ip link add out type veth peer name in netns $beyond
    ip addr add 192.0.2.1/24 dev out; ip link set out up
    nsenter -n -t $beyond sh -c 'ip addr add 192.0.2.2/24 dev in; ip link set in up
      ip route add default via 192.0.2.1'
    busybox httpd -f -p 192.0.2.1:80 -h bb/www & trap "kill $! $beyond" EXIT
    c network create o >/dev/null; c network create --internal j >/dev/null
    for n in bridge o j; do c run -d --name at-$n --network $n --cap-add NET_ADMIN bb:1 \
      httpd -f -h /www >/dev/null; done
    ip() { c inspect -f '{{.NetworkSettings.IPAddress}}' at-$1; }
    ask() { c exec at-$1 timeout 2 wget -qO- http://$2/f 2>/dev/null || echo no; }
    for n in bridge o j; do
      c exec at-$n sh -c 'until wget -qO- http://127.0.0.1/f; do sleep 0.1; done'; done
    ask o $(ip o); ask o $(ip bridge); ask bridge $(ip o)
    ask bridge 192.0.2.1; ask bridge 192.0.2.2
    link() { c network inspect -f '{{index .Options "com.docker.network.bridge.name"}}' $1; }
    mac=$(command ip -br link show $(link j) | awk '{print $3}')
    c exec at-j ip route add default dev eth0; command ip route add $(ip j) dev $(link j)
    ask o $(ip j)
    for at in $(ip o) 192.0.2.1 192.0.2.2; do
      c exec at-j arp -s $at $mac; ask j $at; done
    nft delete table inet $(link bridge); ask j 192.0.2.2
    c exec at-o ip addr add \${own:=$(ip o | cut -d. -f1-3)}.99/24 dev eth0
    for from in $(ip o) $own.99; do
      c exec at-o timeout 2 ping -c 1 -I $from $own.1 >/dev/null && echo hi || echo no; done
    c rm -f at-bridge at-o at-j >/dev/null; c network prune >/dev/null
  `);
  const asked = ["hi", "no", "no", "hi", "hi", "no", "no", "no", "no", "hi", "hi", "no", ""];
  expect(output.split("\n")).toEqual(["hi", "hi", "hi", ...asked]);
});

test("a trace has each step to a container as the command that a person would type", () => {
  const lines = hand
    .sh(`
    c trace run -d --name t -p 8088:80 -m 64m --memory-swap -1 bb:1 httpd -f -h /www 2>trace >id
    curl -sf --retry 20 --retry-connrefused http://127.0.0.1:8088/f
    c exec t cat /www/f; c stop -t 0 t; c start t
    c inspect -f '{{.GraphDriver.Data.UpperDir}} {{.GraphDriver.Data.MergedDir}}' t
    c rm -f t; c trace stop t 2>&1 || cat trace
  `)
    .split("\n");
  const [upper, merged] = lines[4]!.split(" ") as [string, string];
  expect(lines.slice(0, 4)).toEqual(["hi", "hi", "t", "t"]);
  expect(lines[6]).toContain("trace stop is not supported");
  const trace = lines.slice(7).map((line) => line.replace(/^ *\+ /, ""));
  let at = -1;
  for (const wanted of [
    /^touch .* && unshare --uts=\S+ --ipc=\S+ --net=\S+ true$/,
    /^nsenter --uts=\S+ --ipc=\S+ --net=\S+ hostname [0-9a-f]{12}$/,
    /^ip link add name veth\S+ .*type veth peer name eth0/,
    /^nsenter --net=\S+ ip addr add 10\.187\.\d+\.\d+\/22 dev eth0$/,
    `mount -t overlay -o lowerdir=.*,upperdir=${upper},workdir=\\S+ overlay ${merged}$`,
    /^\S*conmon /,
    /^unshare --mount --pid$/,
    /^echo \$\$ > \S+\/cgroup.procs$/,
    /^mount --rbind (\S+) \1$/,
    /^cd \S+$/,
    /^pivot_root \. \.$/,
    /^mount -t proc -o nosuid,nodev,noexec proc \/proc$/,
    /^echo 67108864 > \S+\/memory\.\w+$/,
    /^setpriv --bounding-set=-all,\+chown,/,
    /^# seccomp_load: SCMP_ACT_ALLOW/,
    /^exec \/bin\/httpd -f -h \/www$/,
  ]) {
    at = trace.findIndex((line, index) => index > at && new RegExp(wanted).test(line));
    expect(at, String(wanted)).toBeGreaterThanOrEqual(0);
  }
});

test("others do not wait for the reader of an export; a copy brings no rights", () => {
  const output = hand.sh(`
    c run --network none --name e bb:1 sh -c 'echo q > /q; mkdir /d; echo s > /d/s; chmod 4755 /d/s'
    c export e | { head -c 1 >/dev/null; touch begun; until [ -e go ]; do sleep 0.1; done
      cat >/dev/null; } &
    until [ -e begun ]; do sleep 0.1; done
    timeout 300 "$R2K" container rename e f && echo renamed; touch go; wait
    c cp f:/d here; stat -c %a here/s; cat here/s; c cp here/s f:/x; c cp f:/x y
    cat y; c rm f
  `);
  expect(output).toBe("renamed\n755\ns\ns\nf\n");
});

test("the group of containers goes with the last of them, or with a build", () => {
  const { R2K_RUN } = hand.environment;
  const mark = createHash("sha256").update(`${R2K_RUN} default`).digest("hex").slice(0, 8);
  hand.context({ Dockerfile: "FROM bb:1\nRUN echo built > /f\n" });
  const output = hand.sh(`
    groups() { ls -d /sys/fs/cgroup/{,*/}r2k/hand-${mark} 2>/dev/null | wc -l; }
    c run -d --name last bb:1 sleep 1000 >/dev/null; [ $(groups) -gt 0 ] && echo made
    c rm -f last >/dev/null; groups
    c build -q --no-cache -t made:2 context >/dev/null; groups
  `);
  expect(output).toBe("made\n0\n0\n");
});
