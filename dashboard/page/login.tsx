import { useState } from "preact/hooks";
import { signIn } from "./api.ts";
import { Input, useWork } from "./fields.tsx";
import { Problem } from "./widgets.tsx";

/** Asks for a token; the page then has its rights. */
export function Login({ done }: { done(): void }) {
  const [token, setToken] = useState("");
  const { run, problem } = useWork();
  const enter = (event: Event) => {
    event.preventDefault();
    run(() => signIn(token.trim()).then(done));
  };
  return (
    <main class="login">
      <h1>raft2kube</h1>
      {isSecureContext ? (
        <form onSubmit={enter}>
          <label>
            Token <Input type="password" autocomplete="off" value={token} set={setToken} />
          </label>
          <button class="main" disabled={token.trim() === ""}>
            Sign in
          </button>
        </form>
      ) : (
        <Problem
          text="A token would cross the network in clear text: open this page by
        https, or at localhost by kubectl port-forward."
        />
      )}
      <Problem text={problem} />
      <p class="soft">
        The page has the rights of the token's user, and no others. A service account's:{" "}
        <code>kubectl create token NAME</code>
      </p>
    </main>
  );
}
