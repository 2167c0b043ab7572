import { messageOf } from "@raft2kube/std/errors.ts";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { byToken, get, hasSession, signIn, signOut } from "./api.ts";
import { Detail, Later } from "./detail.tsx";
import { Create } from "./editor.tsx";
import { discover, type Kind, keyOf, PODS, SECTIONS } from "./kinds.ts";
import { List } from "./list.tsx";
import { Login } from "./login.tsx";
import { type Command, Palette } from "./palette.tsx";
import { closeObject, go, type Place, place } from "./place.ts";
import { Rights } from "./rights.tsx";
import { showUnseen } from "./text.ts";
import { Dialog, Problem, useAsked } from "./widgets.tsx";

const KEYS: readonly [string, string][] = [
  ["Ctrl K", "go to a kind or a namespace, or do something"],
  ["/", "filter by name"],
  ["↓ ↑", "from row to row; Enter opens one"],
  ["c", "create from YAML"],
  ["Esc", "close"],
  ["?", "this help"],
];
const VIEWS: Readonly<Record<string, string>> = {
  signals: "API server",
  store: "Store",
  rights: "My rights",
};
const THEME = "r2k-dashboard-theme";

const setTheme = (scheme: string) => {
  localStorage.setItem(THEME, scheme);
  document.documentElement.style.colorScheme = scheme;
};

type Window = "palette" | "create" | "help" | undefined;

/** Keys that open a window, unless they are typed into something. */
function useKeys(open: (window: Window) => void): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const isTyped =
        event.target instanceof Element &&
        event.target.closest("input, textarea, select, .terminal, dialog") !== null;
      const key = event.ctrlKey || event.metaKey ? `Ctrl ${event.key}` : event.key;
      if (isTyped && key !== "Ctrl k") return;
      if (key === "Ctrl k") open("palette");
      else if (key === "c") open("create");
      else if (key === "?") open("help");
      else if (key === "/") document.getElementById("filter")?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function commandsFor(
  kinds: readonly Kind[],
  spaces: readonly string[],
  open: (window: Window) => void,
): Command[] {
  return [
    ...kinds.map((kind) => ({
      title: kind.kind,
      hint: [keyOf(kind), ...kind.shortNames].join(" "),
      run: () => go({ view: undefined, kind: keyOf(kind), name: undefined }),
    })),
    ...["", ...spaces].map((ns) => ({
      title: ns || "all",
      hint: "namespace",
      run: () => go({ ns, name: undefined }),
    })),
    ...Object.entries(VIEWS).map(([view, title]) => ({
      title,
      hint: "view",
      run: () => go({ view, name: undefined }),
    })),
    { title: "Create from YAML", hint: "c", run: () => open("create") },
    { title: "Keys", hint: "?", run: () => open("help") },
    ...["light dark", "light", "dark"].map((scheme) => ({
      title: scheme,
      hint: "colours",
      run: () => setTheme(scheme),
    })),
  ];
}

function App() {
  const [at, setAt] = useState(place);
  const [window, open] = useState<Window>();
  useEffect(() => addEventListener("hashchange", () => setAt(place())), []);
  useKeys(open);
  const [kinds, problem] = useAsked(discover, []);
  const [spaces, unlisted] = useAsked(async () => {
    const list = await get<{ items: { metadata: { name: string } }[] }>(
      "/api/v1/namespaces?limit=1000",
    );
    return list.items.map(({ metadata: { name } }) => name);
  }, []);
  const namespace = at["ns"] ?? "";
  const shut = () => open(undefined);
  return (
    <div class="frame">
      <header class="top">
        <b class="brand">raft2kube</b>
        <Namespaces spaces={unlisted ? undefined : (spaces ?? [])} namespace={namespace} />
        <button onClick={() => open("palette")}>
          Go to <kbd>Ctrl K</kbd>
        </button>
        <button onClick={() => open("create")}>Create</button>
        {byToken && <button onClick={signOut}>Sign out</button>}
      </header>
      <Menu kinds={kinds ?? []} at={at} />
      <main>
        <Problem text={problem} />
        <Shown kinds={kinds} at={at} namespace={namespace} />
      </main>
      {window === "palette" && (
        <Palette commands={commandsFor(kinds ?? [], spaces ?? [], open)} close={shut} />
      )}
      {window === "create" && <Create kinds={kinds ?? []} namespace={namespace} close={shut} />}
      {window === "help" && (
        <Dialog title="Keys" close={shut} small>
          <dl>
            {KEYS.map(([key, means]) => (
              <>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{means}</dd>
              </>
            ))}
          </dl>
        </Dialog>
      )}
    </div>
  );
}

/** The choice of a namespace; who may not list them types one. */
function Namespaces({
  spaces,
  namespace,
}: {
  spaces: readonly string[] | undefined;
  namespace: string;
}) {
  const choose = (ns: string) => go({ ns, name: undefined });
  if (!spaces) {
    return (
      <label>
        Namespace{" "}
        <input value={namespace} onChange={(event) => choose(event.currentTarget.value)} />
      </label>
    );
  }
  return (
    <label>
      Namespace{" "}
      <select value={namespace} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">all</option>
        {spaces.map((name) => (
          <option value={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

function Menu({ kinds, at }: { kinds: readonly Kind[]; at: Place }) {
  const named = SECTIONS.flatMap(([, keys]) => keys);
  const rest = kinds
    .map(keyOf)
    .filter((key) => !named.includes(key))
    .sort();
  const now = at["view"] ? undefined : (at["kind"] ?? "pods");
  const ns = encodeURIComponent(at["ns"] ?? "");
  return (
    <nav class="menu" aria-label="Kinds">
      {Object.entries(VIEWS).map(([view, title]) => (
        <a href={`#view=${view}&ns=${ns}`} aria-current={at["view"] === view ? "page" : undefined}>
          {title}
        </a>
      ))}
      {[...SECTIONS, ["More", rest] as const].map(([title, keys]) => (
        <details open={title !== "More" && innerWidth > 700}>
          <summary>{title}</summary>
          {keys
            .map((key) => kinds.find((each) => keyOf(each) === key))
            .map(
              (each) =>
                each && (
                  <a
                    href={`#kind=${keyOf(each)}&ns=${ns}`}
                    aria-current={keyOf(each) === now ? "page" : undefined}
                  >
                    {each.kind}
                  </a>
                ),
            )}
        </details>
      ))}
    </nav>
  );
}

function Shown({
  kinds: known,
  at,
  namespace,
}: {
  kinds: readonly Kind[] | undefined;
  at: Place;
  namespace: string;
}) {
  if (at["view"] === "rights") return <Rights namespace={namespace} />;
  if (at["view"] === "signals") return <Later load={() => import("./signals.tsx")} with={{}} />;
  if (at["view"] === "store") return <Later load={() => import("./store.tsx")} with={{}} />;
  const key = at["kind"] ?? "pods";
  const kinds = known ?? [PODS];
  const kind = kinds.find((each) => keyOf(each) === key);
  if (!kind) return known ? <Problem text={`this server has no ${key}`} /> : null;
  const [labels, name, of] = [at["labels"] ?? "", at["name"], at["of"] ?? ""];
  return (
    <>
      <List
        key={`${key} ${namespace} ${labels}`}
        kind={kind}
        namespace={namespace}
        selector={labels}
      />
      {name && (
        <Detail
          key={`${key} ${of} ${name}`}
          kind={kind}
          kinds={kinds}
          namespace={of}
          name={name}
          close={closeObject}
        />
      )}
    </>
  );
}

document.documentElement.style.colorScheme = localStorage.getItem(THEME) ?? "light dark";
showUnseen();
const app = document.getElementById("app")!;
const show = () => render(<App />, app);
// A link does not sign people in where they have tokens: they would be the one who made it.
const ticket = byToken ? undefined : /^#ticket=([\w-]+)$/.exec(location.hash)?.[1];
if (ticket !== undefined) history.replaceState(null, "", "/");
if (byToken && !hasSession()) render(<Login done={show} />, app);
else if (ticket === undefined) show();
else {
  signIn(ticket).then(show, (thrown: unknown) =>
    render(
      <main>
        <Problem text={messageOf(thrown)} />
      </main>,
      app,
    ),
  );
}
