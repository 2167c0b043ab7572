import { afterAll, expect, test } from "vitest";
import { Hand } from "./hand.ts";

// Takes turns, containers by hand: see by-hand.test.ts.

const hand = new Hand();
afterAll(() => hand.close());

/** The lines that a script prints. */
const lines = (script: string) => hand.sh(script).trimEnd().split("\n");

test("the exit code of run says whether docker or the program failed", () => {
  const codes = lines(`
    r() { c run --rm=true --net=none "$@" >/dev/null 2>&1 && echo 0 || echo $?; }
    r bb:1 nosuch; r bb:1 /etc/passwd; r bb:1 /etc; r --nosuch bb:1; r nosuch:1; r -u nosuch bb:1 true
    r bb:1 sh -c 'exit 3'; c image ls -q >/dev/null && echo $?
  `);
  expect(codes).toEqual(["127", "126", "126", "125", "125", "125", "3", "0"]);
});

test("exec that does not wait for its command says that it could not be run", () => {
  const printed = lines(`
    c run -d --name d --net=none bb:1 sleep 1000 >/dev/null
    c exec -d d nosuch 2>&1 | grep -c nosuch; c exec -d d nosuch 2>/dev/null || echo $?
    c exec -d d false; echo $?; c exec -d d sleep 1000; echo $?; c rm -f d
  `);
  expect(printed).toEqual(["1", "127", "0", "0", "d"]);
});

test("a container in another's network has a log of its own", () => {
  const printed = lines(`
    c run -d --name one bb:1 sh -c 'echo from one; sleep 1000' >/dev/null
    c run --name two --network container:one bb:1 echo from two >/dev/null
    c logs one; c logs two; c rm -f one >/dev/null; c logs two; c rm two >/dev/null
  `);
  expect(printed).toEqual(["from one", "from two", "from two"]);
});

test("a command whose reader has gone ends without an error", () => {
  const printed = lines(`
    said=$(mktemp); c run --rm --network none bb:1 sh -c 'yes | head -n 100000' 2>$said | head -n 1
    cat $said; rm $said
  `);
  expect(printed).toEqual(["y"]);
});

test("the input of run is passed on whole", () => {
  const [size] = lines("head -c 3000000 /dev/zero | c run --rm -i --network none bb:1 wc -c");
  expect(size).toBe("3000000");
});

test("filters are patterns, one of each key's and all labels", () => {
  expect(
    lines(`
    run() { c run -d --network none "$@" bb:1 sleep 1000 >/dev/null; }
    run --name web -l a=1 -l b=2; run --name web2 -l a=1; c create --name new bb:1 true >/dev/null
    names() { c ps --format '{{.Names}}' "$@" | sort | xargs; }
    names -f name=^web$; names -f name=^/web; names -f name=web2 -f name=^new -a
    names -f label=a=1 -f label=b; names -a -f status=created -f status=running
    names -f since=web; names -a -f before=web2 -f health=none
    c ps -f status=typo 2>&1 | grep -c 'not one of'; c images -q 'b*' | wc -l
    c images -q -f reference='b*:2' | wc -l; c volume create -d local v >/dev/null
    c volume ls -q -f dangling=true; c network ls -q -f driver=host
    c rm -f web web2 new >/dev/null; c volume rm v >/dev/null
  `),
  ).toEqual([
    ...["web", "web web2", "new web2", "web", "new web web2", "web2", "web"],
    ...["1", "1", "0", "v", "host"],
  ]);
});

test("a container's settings are those of its flags, for inspect and for commit", () => {
  const shown = `'{{json .Config.Env}} {{.Config.User}} {{.Config.Entrypoint}} {{.Config.Cmd}} \
{{.Config.WorkingDir}} {{json .Config.ExposedPorts}} {{index .Config.Labels "k"}}'`;
  expect(
    lines(`
    c run --name s -e A=1 -u u:root -w /www -p 9999:80 -l k=v --entrypoint cat bb:1 f
    c inspect -f ${shown} s; c commit s made:1 >/dev/null; c inspect -f ${shown} made:1
    c run --rm --network none made:1; c inspect -f '{{json .NetworkSettings.Ports}}' s nope || echo $?
    c rm s >/dev/null
  `),
  ).toEqual([
    "hi",
    ...Array(2).fill('["PATH=/bin","A=1"] u:root [cat] [f] /www {"80/tcp":{}} v'),
    "hi",
    '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"9999"}]}',
    "1",
  ]);
});

test("a container that is to be started again is restarting, and counts on", () => {
  expect(
    lines(`
    c run -d --name r --network none --restart always bb:1 false >/dev/null
    shown() { c inspect -f '{{.State.Status}} {{.State.Running}}' r; }
    timeout 60 bash -c "until [ 5 = \\"\\$($R2K container inspect -f '{{.RestartCount}}' r)\\" ]
      do sleep 0.5; done"
    until [ "$(shown)" = "restarting true" ]; do sleep 0.5; done; c ps --format '{{.Status}}' |
      cut -c1-14
    c rm r >/dev/null 2>&1 || echo refused; c container prune -f; c stop r; shown
    c start r >/dev/null; c inspect -f '{{lt .RestartCount 5}}' r; c rm -f r
  `),
  ).toEqual([
    "Restarting (1)",
    "refused",
    "Total reclaimed space: 0B",
    "r",
    "exited false",
    "true",
    "r",
  ]);
});

test("what a flag names is looked at before a container is made, and lists are docker's", () => {
  expect(
    lines(`
    r() { c run --rm --network none "$@" bb:1 true 2>/dev/null && echo 0 || echo $?; }
    r --hostname 'a b'; r --dns x; r --add-host a=b; r --ulimit nofile=2:1
    c run -d --name l --network none bb:1 sh -c 'echo 1; echo 2; exec sleep 1000' >/dev/null
    until [ "$(c logs l | wc -l)" = 2 ]; do sleep 0.5; done; c logs --tail -1 l | xargs
    c logs -n 1 l; c top l -eo pid,comm | tail -1 | xargs | cut -d' ' -f2; echo 'V=1 ' > e
    c exec --env-file e l sh -c 'echo "$V|"'; c stats --no-stream --format '{{.NetIO}}' l
    c rm -f l >/dev/null
  `),
  ).toEqual(["125", "125", "125", "125", "1 2", "2", "sleep", "1 |", "0B / 0B"]);
});

test("exec has a user's home; a copy of a directory replaces no file", () => {
  expect(
    lines(`
    c run -d --name x --network none -e B=1 bb:1 sleep 1000 >/dev/null
    c exec -u u x sh -c 'echo $HOME $B'; c exec -u u -e HOME=/h x sh -c 'echo $HOME'
    mkdir -p t/d; echo 1 > t/d/f; c cp t x:/etc/passwd 2>/dev/null || echo refused
    c cp t x:/new/; c exec x cat /new/d/f; c cp x:/new t2/; cat t2/d/f; c rm -f x >/dev/null
  `),
  ).toEqual(["/ 1", "/h", "refused", "1", "1"]);
});

test("a build takes what a pattern fits, a script's interpreter, and a Dockerfile of its input", () => {
  hand.context({
    "package.json": "{}",
    Dockerfile: [
      "FROM bb:1",
      "COPY package.json yarn.lock* /app/",
      "RUN <<EOF",
      "#!/bin/sh -e",
      "echo $((1<<3)) > /n",
      "EOF",
      "CMD cat /n; ls /app",
    ].join("\n"),
    "Other.dockerignore": "package.json\n",
    Other: "FROM bb:1\nCOPY . /x\nCMD ls /x\n",
  });
  expect(
    lines(`
    c build -q -t m:1 --build-arg NOPE=1 context 2>&1 >/dev/null | grep -o NOPE
    c run --rm --network none m:1; c build -q -t o:1 -f context/Other context >/dev/null
    c run --rm --network none o:1; printf 'FROM bb:1\\nCMD echo in\\n' | c build -q -t i:1 - >/dev/null
    c run --rm --network none i:1
  `),
  ).toEqual(["NOPE", "8", "package.json", "Dockerfile", "Other", "Other.dockerignore", "in"]);
});

test("an interrupted first start keeps what was made by hand, and down removes all of it", () => {
  expect(
    lines(`
    c volume create v >/dev/null; c run -d --name x -v v:/v -p 7777:80 bb:1 sleep 1000 >/dev/null
    R2K_INTERRUPT_AFTER="network namespace of the node" "$R2K" start 2>/dev/null || echo $?
    c exec x touch /v/f; c ps --format '{{.Names}}'; c rm -f x >/dev/null; "$R2K" list | tail -1
    "$R2K" down 2>/dev/null; nft list tables; ip -o link | grep -c r2kh || true; c run --rm -v v:/v bb:1 ls /v
    "$R2K" down --purge 2>/dev/null || echo refused; c volume rm v; "$R2K" down --purge 2>/dev/null
    nft list tables; ip -o link | grep -c r2kh || true; find "$R2K_DATA" "$R2K_RUN" 2>&1 | grep -c "No such"
  `),
  ).toEqual([
    ...["130", "x", expect.stringMatching(/^default +leftover/), "0"],
    ...["f", "refused", "v", "0", "2"],
  ]);
});
