import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Browser } from "../../labs/testing/browser.ts";
import type { TestCluster } from "./cluster.ts";
import { DashboardPage } from "./dashboard-page.ts";
import { sharedCluster } from "./shared-cluster.ts";

// Takes turns, a cluster in people's hands: see operations.test.ts. Of the files that use the page
// this one has a cluster, whose pods run, dashboard.test.ts an API server alone,
// dashboard-traces.test.ts a cluster's traces, dashboard-store.test.ts the members of a store.

const POLL = { timeout: 50_000 };

let cluster: TestCluster;
let browser: Browser;
let page: DashboardPage;

const WEB = (command: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: c
          image: r2k.local/busybox:1
          imagePullPolicy: IfNotPresent
          stdin: true
          tty: true
          command: [sh, -c, "${command}"]
          ports: [{ containerPort: 8080 }]
`;
const SECOND = WEB("echo first line; cat")
  .replaceAll("web", "second")
  .replace(
    "matchLabels: { app: second }",
    "matchExpressions: [{ key: app, operator: In, values: [second] }]",
  );
const THIRD = WEB("echo first line; cat")
  .replaceAll("web", "third")
  .replace("matchLabels: { app: third }", "app: third")
  .replace("apps/v1", "v1")
  .replace("Deployment", "ReplicationController");
const READS = "echo first line; while read line; do echo heard $line; done";

beforeAll(async () => {
  cluster = await sharedCluster("dashboard");
  page = await DashboardPage.ofCluster(cluster);
  browser = page.browser;
});

afterAll(async () => {
  await browser?.close();
  await cluster?.leave();
});

/** HTML, and sequences that set a terminal's title and the clipboard, as printf writes them. */
const HOSTILE = "<img src=x onerror=alert(1)>\\033]0;run\\007\\033]52;c;cnVu\\007";
/** Returns the traces of code that a hostile text ran: calls, images, a changed title. */
const ran = () =>
  browser.evaluate<unknown[]>(`[
    ...(window.ran ??= []), ...document.images, ...(document.title === "raft2kube" ? [] : ["title"])
  ]`);

const podName = () =>
  cluster
    .ask("get", "pods", "-l", "app=web", "-o", "name")
    .then((names) => names.split("\n")[0]!.replace("pod/", ""));
const at = (kind: string, name: string) =>
  page.go(`ns=dashboard&kind=${kind}&of=dashboard&name=${name}`);

describe("the dashboard on a cluster", () => {
  it("creates from YAML after a dry run", async () => {
    await page.go("ns=dashboard");
    await page.click("Create");
    await page.fill("YAML", [WEB(READS), SECOND, THIRD].join("---"));
    await page.click("Show what changes");
    await page.shows(/Deployment second would be created[^]*Controller third would be created/);
    expect(await cluster.ask("get", "deployments", "-o", "name")).toBe("");
    await page.click("Apply");
    await page.shows(/Deployment second is created[^]*Controller third is created/);
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
    await page.picture("create");
  });

  it("scales, restarts, and rolls back to a revision", async () => {
    await at("deployments.apps", "web");
    await page.click("Scale");
    await page.fill("Replicas", "2");
    await page.click("Scale", ".why");
    await page.shows("Scale: done");
    await cluster.until(
      "two",
      ["get", "deploy", "web", "-o", "jsonpath={.spec.replicas}"],
      (answer) => answer === "2",
    );
    await page.click("Restart");
    await page.click("Restart", ".why");
    await page.shows("Restart: done");
    const replicaSets = ["get", "rs", "-l", "app=web", "-o", "name"];
    await cluster.until(
      "a second revision",
      replicaSets,
      (names) => names.split("\n").length === 2,
    );
    await page.click("Roll back");
    await page.shows("revision 1");
    await page.click("Roll back", ".why");
    await page.shows("Roll back: done");
    const annotations = "jsonpath={.spec.template.metadata.annotations}";
    await cluster.until(
      "no annotation",
      ["get", "deploy", "web", "-o", annotations],
      (answer) => answer === "",
    );
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
    await at("deployments.apps", "web");
    await page.shows(/Available[^]*ScalingReplicaSet/);
    await page.picture("deployment");
  });

  it("follows the logs of several pods, and searches them", async () => {
    await at("deployments.apps", "web");
    await page.click("Log");
    await page.shows(/web-\S+ c \| first line[^]*web-\S+ c \| first line/);
    const name = await podName();
    const say = (text: string) =>
      cluster.ask("exec", name, "--", "sh", "-c", `printf '${text}\\n' > /proc/1/fd/1`);
    await say("a later line");
    await page.shows(/web-\S+ c \| a later line$/m);
    await page.picture("logs");
    await say(`${HOSTILE} and later`);
    await page.shows("<img src=x onerror=alert(1)>\\x1b]0;run\\x07\\x1b]52;c;cnVu\\x07 and later");
    await page.fill("Search", "later");
    await page.shows("2 lines");
    expect(await page.text()).not.toContain("first line");
    expect(await ran()).toEqual([]);
    await page.fill("Search", "nothing has this");
    await page.shows("0 lines");
  });

  it("follows pods that expressions or a map select, and one that is made later", async () => {
    await at("replicationcontrollers", "third");
    await page.click("Log");
    await page.shows(/^first line/m);
    await at("deployments.apps", "second");
    await page.click("Log");
    await page.shows(/^first line/m);
    await cluster.ask("scale", "deployment/second", "--replicas=2");
    await page.shows(/second-\S+ c \| first line[^]*second-\S+ c \| first line/);
  });

  it("downloads the logs", async () => {
    await at("deployments.apps", "web");
    await page.click("Log");
    await page.shows(/first line[^]*first line/);
    // The test reads the blob that the link is made of.
    await browser.evaluate(`(() => {
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { window.saved = blob.text(); return make(blob); };
      HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; };
    })()`);
    await page.click("Download");
    await expect
      .poll(() => browser.evaluate<string>("window.savedAs ?? ''"), POLL)
      .toMatch(/^web-.*\.log$/);
    expect(await browser.evaluate<string>("window.saved")).toMatch(
      /^==> web-\S+ c <==\nfirst line\r?\n[^]*==> web-\S+ c <==\nfirst line/,
    );
  });

  it("cuts a line of 100 MB in a log, and goes on", async () => {
    const command = "head -c 100000000 /dev/zero; echo; echo after it";
    await cluster.ask(
      "run",
      "line",
      "--image=r2k.local/busybox:1",
      "--restart=Never",
      "--image-pull-policy=IfNotPresent",
      "--",
      "sh",
      "-c",
      command,
    );
    await cluster.until(
      "its end",
      ["get", "pod", "line", "-o", "jsonpath={.status.phase}"],
      (phase) => phase === "Succeeded",
    );
    await at("pods", "line");
    await page.click("Log");
    await page.shows(/(\\x00){100} \.\.\. \(cut\)\nafter it/);
    expect(await browser.heapBytes()).toBeLessThan(200 << 20);
  });

  it("has a terminal in a container, and attaches to its process", async () => {
    const name = await podName();
    await at("pods", name);
    await page.click("Terminal");
    const focused = () =>
      browser.evaluate<boolean>("document.activeElement?.className === 'xterm-helper-textarea'");
    await expect.poll(focused, POLL).toBe(true);
    await page.shows("/ #");
    await browser.type("echo $((6*7)) in $HOSTNAME");
    await browser.press("Enter");
    await page.shows(`42 in ${name}`);
    await page.picture("terminal");
    const link = 'printf "\\033]8;;$u\\aover $u\\033]8;;\\a\\n"';
    await browser.type(`printf '${HOSTILE}'; for u in http://h javascript:run; do ${link}; done`);
    await browser.press("Enter");
    await page.shows(/<img src=x onerror=alert\(1\)>over http:\/\/h\s+over javascript:run/);
    const clicked = await browser.evaluate<number>(`(() => {
      window.ran = [];
      for (const name of ["open", "confirm", "alert"]) window[name] = () => window.ran.push(name);
      navigator.clipboard.writeText = () => window.ran.push("clipboard");
      const links = [...document.querySelectorAll(".xterm-rows [class*=underline]")];
      for (const { right, top } of links.map((each) => each.getBoundingClientRect())) {
        const at = { clientX: right - 12, clientY: top + 5, bubbles: true };
        for (const type of ["mousemove", "mousedown", "mouseup", "click"]) {
          document.querySelector(".xterm-screen").dispatchEvent(new MouseEvent(type, at));
        }
      }
      return links.length;
    })()`);
    expect(clicked).toBe(2);
    expect(await ran()).toEqual([]);
    await browser.evaluate("document.querySelector('dialog input[type=checkbox]').click()");
    const say = async () => {
      await browser.type("good morning");
      await browser.press("Enter");
      return await page.text();
    };
    await expect.poll(say, { ...POLL, interval: 500 }).toContain("heard good morning");
    expect(browser.errors).toEqual([]);
  });

  it("forwards a port to a link on loopback, and ends it", async () => {
    const name = await podName();
    await cluster.ask(
      "exec",
      name,
      "--",
      "sh",
      "-c",
      "mkdir -p /tmp/w && echo from the pod > /tmp/w/index.html && httpd -p 8080 -h /tmp/w",
    );
    await at("pods", name);
    await page.click("Forward");
    await page.shows(/8080 is at 127\.[\d.]+:\d+/);
    const link = await browser.evaluate<string>("document.querySelector('.events a').href");
    expect(await cluster.curl(link)).toBe("from the pod\n");
    await page.click("End");
    await expect.poll(() => cluster.curl(link).catch(() => "refused"), POLL).toBe("refused");
  });

  it("shows the CPU and memory of a pod", async () => {
    await at("pods", await podName());
    await page.click("Usage");
    await expect.poll(() => page.text(), POLL).toMatch(/used\s*[\d.]+ MiB/);
    await page.graphs();
    await page.picture("usage");
  });

  it("shows the way of a packet to a Service beside the rules in the kernel", async () => {
    await cluster.ask("expose", "deployment/web", "--port=80", "--target-port=8080");
    const address = await cluster.until(
      "its address",
      ["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"],
      (text) => text !== "",
    );
    const ip = await cluster.until(
      "an endpoint",
      [
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=web",
        "-o",
        "jsonpath={.items[0].endpoints[0].addresses[0]}",
      ],
      (text) => text !== "",
    );
    await at("services", "web");
    await page.click("Path");
    await page.shows(`${address} port 80/TCP: one of 2 endpoints takes its place`);
    const rules = () => browser.evaluate<string>("document.querySelector('pre')?.innerText ?? ''");
    await expect.poll(rules, POLL).toMatch(new RegExp(`${address}[^]*dnat[^]*${ip}`));
    await page.picture("path");
  });

  it("says why a pod is Pending, one click from its first page", async () => {
    await cluster.ask(
      "run",
      "large",
      "--image=r2k.local/busybox:1",
      "--restart=Never",
      "--image-pull-policy=IfNotPresent",
      `--overrides={"spec":{"containers":[{"name":"large",
        "image":"r2k.local/busybox:1","resources":{"requests":{"cpu":"64"}}}]}}`,
    );
    await page.go("");
    await page.shows(/large\s+0\/1\s+◐?\s*Pending/);
    await page.picture("first");
    await page.click("large");
    await page.shows(/Pod large is Pending: the only node[^]*What to do it requests 64 of cpu/);
    await page.picture("pending");
    const ofCluster = ["--name", cluster.name, "-n", "dashboard"];
    const { stdout } = await cluster.host.r2k(["explain", "pod/large", ...ofCluster]);
    expect(stdout).toMatch(
      /^Pod large is Pending: the only node .*\n {2}remedy: it requests 64 of/,
    );
    await cluster.ask("delete", "pod", "large");
  });

  it("cordons a node, drains it to the end, and uncordons it", async () => {
    const node = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
    await page.go(`kind=nodes&name=${node}`);
    await page.click("Cordon");
    await page.click("Cordon", ".why");
    await page.click("Drain");
    await page.shows(/dashboard\/web-\S+ is evicted/);
    await page.picture("drain");
    const flag = ["get", "node", node, "-o", "jsonpath={.spec.unschedulable}"];
    expect(await cluster.ask(...flag)).toBe("true");
    const uids = () =>
      cluster.ask("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.uid}");
    const before = (await uids()).split(" ");
    await page.click("Drain", ".why");
    await page.shows("Drain: done");
    await cluster.until(
      "other pods, which wait for a node",
      ["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.phase}"],
      (phases) => /^Pending( Pending)*$/.test(phases),
    );
    const after = await uids();
    expect(before.filter((uid) => after.includes(uid))).toEqual([]);
    await page.click("Uncordon");
    await page.click("Uncordon", ".why");
    await cluster.until("uncordoned", flag, (answer) => answer === "");
  });

  it("deletes with what goes too", async () => {
    await at("deployments.apps", "second");
    await page.click("Delete");
    await page.shows(/Deployment second\nReplicaSet second-\w+\nPod second-\S+/);
    await page.picture("delete");
    await page.click("Delete", ".why");
    await page.shows("it has been deleted");
    expect(await cluster.ask("get", "deployments", "-o", "name")).toBe("deployment.apps/web");
  });
});

describe("the dashboard in the cluster", () => {
  const NAMESPACE = "r2k-dashboard";
  let address = "";
  let token = "";
  let inside: Browser;

  beforeAll(async () => {
    const started = await cluster.host.r2k(["start", "--name", cluster.name, "--dashboard"]);
    expect(started.code, started.stderr).toBe(0);
    const image = "jsonpath={.items[*].spec.containers[0].image}";
    const pods = await cluster.ask("get", "pods", "-n", NAMESPACE, "-o", image);
    expect(pods, "the tag is that of the build").toMatch(/^r2k\.local\/dashboard:[0-9a-f]{8}$/);
    address = await cluster.ask(
      "get",
      "service",
      "dashboard",
      "-n",
      NAMESPACE,
      "-o",
      "jsonpath={.spec.clusterIP}",
    );
    await cluster.ask("create", "serviceaccount", "viewer");
    await cluster.ask(
      "create",
      "rolebinding",
      "viewer",
      "--clusterrole=view",
      "--serviceaccount=dashboard:viewer",
    );
    token = await cluster.ask("create", "token", "viewer");
    inside = await Browser.start((name, args) => cluster.host.enter(name, args));
  });

  afterAll(async () => {
    await inside?.close();
    await cluster.ask("delete", "namespace", NAMESPACE, "--wait=false");
  });

  const signedIn = async (link: string) => {
    const own = await DashboardPage.open(inside, link);
    await own.fill("Token", token);
    await own.click("Sign in");
    await own.shows(/pods is forbidden: User "system:serviceaccount:dashboard:viewer"/);
    return own;
  };

  it("is reached by port-forward, and has its user's rights alone", async () => {
    const forward = cluster.startKubectl([
      "port-forward",
      "-n",
      NAMESPACE,
      "service/dashboard",
      "18080:80",
    ]);
    await new Promise((resolve) => forward.stdout!.once("data", resolve));
    try {
      const own = await signedIn("http://localhost:18080/");
      await own.go("kind=deployments.apps&ns=dashboard");
      await own.shows(/web\s+\d\/2/);
      await own.go("kind=deployments.apps&ns=dashboard&of=dashboard&name=web");
      await own.click("Scale");
      await own.fill("Replicas", "9");
      await own.click("Scale", ".why");
      await own.shows(/cannot patch resource "deployments/);
      await own.go("kind=secrets&ns=dashboard");
      await own.shows(/cannot list resource "secrets"/);
      expect(inside.errors.filter((each) => !each.includes("403"))).toEqual([]);
    } finally {
      forward.kill();
    }
  });

  it("takes no token at its Service, which is not encrypted", async () => {
    const clear = await DashboardPage.open(inside, `http://${address}/`);
    await clear.shows("A token would cross the network in clear text");
  });

  it("has no token and no rights of its own", async () => {
    const pod = ["get", "pods", "-n", NAMESPACE, "-l", "app=dashboard", "-o"];
    const volumes = await cluster.ask(...pod, "jsonpath={.items[0].spec.volumes}");
    expect(JSON.parse(volumes)).toEqual([
      expect.objectContaining({ name: "ca", configMap: expect.anything() as unknown }),
    ]);
    const may = ["auth", "can-i", "--list", `--as=system:serviceaccount:${NAMESPACE}:default`];
    expect((await cluster.kubectl(may)).stdout).not.toMatch(/pods|secrets|nodes/);
  });
});
