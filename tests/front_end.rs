//! The sandbox's front end: whom it lets in, what it says to others, and what the application sees.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Api, GCLOUD, claims, tampered};

const HELLO: &str = "hello-k4qx7v2nza-uc.a.run.app";
const DETERMINISTIC: &str = "hello-123456789012.us-central1.run.app";
const INVOKER: &str = "roles/run.invoker";
const ROBOT: &str = "ci@sandbox-project.iam.gserviceaccount.com";

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The status of a request, and the application's account of it where that answered.
async fn seen(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// The status alone.
async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn each_refusal_has_its_page() {
    let api = Api::new();
    let dev = api.id_token("dev@x.com", "").await;
    let mut shown = String::new();
    for (what, request) in [
        ("unknown host", api.front("GET", "nosuch-k4qx7v2nza-uc.a.run.app", "/")),
        ("no credential", api.front("GET", HELLO, "/a?b=<c>")),
        ("a preflight", api.front("OPTIONS", HELLO, "/")),
        ("not a bearer", api.front("GET", HELLO, "/").header("Authorization", "Basic eDp5")),
        ("a token that is none", api.front("GET", HELLO, "/").bearer_auth("ya29.opaque")),
        ("no permission", api.front("GET", HELLO, "/").bearer_auth(&dev)),
        ("ingress", api.front("GET", "backoffice-k4qx7v2nza-uc.a.run.app", "/").bearer_auth(&dev)),
        ("default URL off", api.front("GET", "catalog-k4qx7v2nza-uc.a.run.app", "/")),
        ("unknown tag", api.front("GET", &format!("blue---{HELLO}"), "/")),
        ("reserved", api.front("GET", "storefront-k4qx7v2nza-uc.a.run.app", "/healthz")),
        ("IAP", api.front("GET", "intranet-k4qx7v2nza-uc.a.run.app", "/x?y=z")),
    ] {
        let answer = request.send().await.unwrap();
        let head = answer.headers();
        let text =
            |name: &str| head.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let line = format!(
            "## {what}: {} {} | {} | {} | {}\n",
            answer.status().as_u16(),
            text("server"),
            text("content-type"),
            text("www-authenticate"),
            text("location"),
        );
        shown.push_str(&line);
        shown.push_str(answer.text().await.unwrap().trim_start_matches("\n<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n"));
    }
    assert_snapshot!(shown, @r#"
    ## unknown host: 404 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>404 Page not found</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Page not found</h1>
    <h2>The requested URL was not found on this server.</h2>
    <h2></h2>
    </body></html>
    ## no credential: 403 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>403 Forbidden</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Forbidden</h1>
    <h2>Your client does not have permission to get URL <code>/a</code> from this server.</h2>
    <h2></h2>
    </body></html>
    ## a preflight: 403 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>403 Forbidden</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Forbidden</h1>
    <h2>Your client does not have permission to get URL <code>/</code> from this server.</h2>
    <h2></h2>
    </body></html>
    ## not a bearer: 403 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>403 Forbidden</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Forbidden</h1>
    <h2>Your client does not have permission to get URL <code>/</code> from this server.</h2>
    <h2></h2>
    </body></html>
    ## a token that is none: 401 Google Frontend | text/html; charset=UTF-8 | Bearer error="invalid_token" error_description="The access token could not be verified" | -
    <title>401 Unauthorized</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Unauthorized</h1>
    <h2>Your client does not have permission to the requested URL <code>/</code>.</h2>
    <h2></h2>
    </body></html>
    ## no permission: 403 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>403 Forbidden</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Forbidden</h1>
    <h2>Your client does not have permission to get URL <code>/</code> from this server.</h2>
    <h2></h2>
    </body></html>
    ## ingress: 404 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>404 Page not found</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Page not found</h1>
    <h2>The requested URL was not found on this server.</h2>
    <h2></h2>
    </body></html>
    ## default URL off: 404 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>404 Page not found</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Page not found</h1>
    <h2>The requested URL was not found on this server.</h2>
    <h2></h2>
    </body></html>
    ## unknown tag: 404 Google Frontend | text/html; charset=UTF-8 | - | -
    <title>404 Page not found</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Page not found</h1>
    <h2>The requested URL was not found on this server.</h2>
    <h2></h2>
    </body></html>
    ## reserved: 404 Google Frontend | text/html; charset=UTF-8 | - | -
    <!DOCTYPE html>
    <html lang=en>
      <meta charset=utf-8>
      <meta name=viewport content="initial-scale=1, minimum-scale=1, width=device-width">
      <title>Error 404 (Not Found)!!1</title>
      <style>
        html { color: #202124; background: #fff; font: 15px/1.5 Roboto, Arial, sans-serif }
        body { max-width: 34em; margin: 12vh auto 0; padding: 0 1.5em 2em }
        #logo { display: inline-block; width: 7.5em; height: 2.5em; margin: 0 0 1em; border-radius: .4em;
          background: linear-gradient(90deg, #4285f4 25%, #ea4335 25% 50%, #fbbc05 50% 75%, #34a853 75%) }
        p { margin: .7em 0; overflow-wrap: anywhere }
        p b { font-size: 1.2em }
        ins { color: #70757a; text-decoration: none }
        code { font: inherit; font-weight: 500 }
        a { color: inherit; text-decoration: none }
        @media (prefers-color-scheme: dark) {
          html { color: #e8eaed; background: #202124 }
          ins { color: #9aa0a6 }
        }
        @media (max-width: 40em) {
          body { margin-top: 4vh; padding: 0 1em 1em }
          #logo { width: 5em; height: 1.7em }
        }
        @media print {
          #logo { display: none }
          body { margin: 0; padding: 0; max-width: none }
        }
      </style>
      <a href=//www.google.com/><span id=logo aria-label=Google></span></a>
      <p><b>404.</b> <ins>That’s an error.</ins>
      <p>The requested URL <code>/healthz</code> was not found on this server.  <ins>That’s all we know.</ins>
    </html>
    ## IAP: 302 Google Frontend | text/html; charset=UTF-8 | - | https://accounts.google.com/o/oauth2/v2/auth?continue=https%3A%2F%2Fintranet-k4qx7v2nza-uc.a.run.app%2Fx%3Fy%3Dz
    <title>302 Moved</title>
    </head>
    <body text=#000000 bgcolor=#ffffff>
    <h1>Error: Moved</h1>
    <h2>The document has moved <a href="https://accounts.google.com/o/oauth2/v2/auth?continue=https%3A%2F%2Fintranet-k4qx7v2nza-uc.a.run.app%2Fx%3Fy%3Dz">here</a>.</h2>
    <h2></h2>
    </body></html>
    "#);
}

#[tokio::test]
async fn a_service_answers_at_each_of_its_addresses() {
    let api = Api::new();
    api.let_in("orders", "user:dev@x.com", INVOKER).await;
    let dev = api.id_token("dev@x.com", "").await;
    for (host, tag) in [
        ("orders-k4qx7v2nza-uc.a.run.app", Value::Null),
        ("ORDERS-k4qx7v2nza-uc.a.run.app:443", Value::Null),
        ("orders-123456789012.us-central1.run.app", Value::Null),
        ("canary---orders-k4qx7v2nza-uc.a.run.app", json!("canary")),
        ("canary---orders-123456789012.us-central1.run.app", json!("canary")),
        ("orders-k4qx7v2nza-uc.a.run.app.", Value::Null),
        ("orders.localhost:8787", Value::Null),
        ("canary---orders.localhost", json!("canary")),
        ("orders-k4qx7v2nza-uc.localhost", Value::Null),
    ] {
        let (code, echo) = seen(api.front("GET", host, "/a/%41?b=c").bearer_auth(&dev)).await;
        assert_eq!((code, &echo["service"], &echo["tag"]), (200, &json!("orders"), &tag), "{host}");
        assert_eq!((&echo["path"], &echo["query"]), (&json!("/a/A"), &json!("b=c")));
    }
    // A domain leads to its service, and only that one's audience counts.
    let (code, echo) = seen(api.front("GET", "shop.example.com", "/")).await;
    assert_eq!((code, &echo["service"]), (200, &json!("storefront")));
    for host in [
        "orders-k4qx7v2nza-xx.a.run.app",
        "orders-999.us-central1.run.app",
        "orders-123456789012.us-east1.run.app",
        "nosuch.localhost",
        "a.run.app",
    ] {
        assert_eq!(status(api.front("GET", host, "/").bearer_auth(&dev)).await, 404, "{host}");
    }
}

#[tokio::test]
async fn a_token_is_checked_as_cloud_run_does() {
    let api = Api::new();
    api.let_in("hello", &format!("serviceAccount:{ROBOT}"), INVOKER).await;
    api.let_in("hello", "user:dev@x.com", INVOKER).await;
    let url = format!("https://{HELLO}");
    let good = api.id_token(ROBOT, &url).await;
    let dev = api.id_token("dev@x.com", "").await;
    let of = async |token: String, host: &'static str| {
        status(api.front("GET", host, "/").bearer_auth(token)).await
    };
    for (what, token, code) in [
        ("the service's URL", good.clone(), 200),
        (
            "its deterministic URL",
            api.id_token(ROBOT, &format!("https://{DETERMINISTIC}")).await,
            200,
        ),
        ("a slash at its end", api.id_token(ROBOT, &format!("{url}/")).await, 200),
        ("gcloud's client", dev.clone(), 200),
        (
            "the URL of another service",
            api.id_token(ROBOT, "https://orders-k4qx7v2nza-uc.a.run.app").await,
            401,
        ),
        ("a word", api.id_token(ROBOT, "demo").await, 401),
        (
            "another client",
            api.tokens("dev@x.com", &[]).await["access_token"].as_str().unwrap().to_owned(),
            401,
        ),
        ("other claims", tampered(&good, "email", json!("you@example.com")), 401),
        ("a longer life", tampered(&good, "exp", json!(9_999_999_999_i64)), 401),
        ("a client's, of a service account", api.id_token(ROBOT, GCLOUD).await, 401),
        ("no signature", format!("{}.", good.rsplit_once('.').unwrap().0), 401),
        ("nobody who may", api.id_token("other@x.com", "").await, 403),
    ] {
        assert_eq!(of(token, HELLO).await, code, "{what}");
        assert_eq!(status(api.front("GET", "hello.localhost", "/").bearer_auth(&dev)).await, 200);
    }
    // Each service has its own audiences, custom ones among them; a tag's URL is none.
    api.let_in("api", &format!("serviceAccount:{ROBOT}"), INVOKER).await;
    let custom = api.id_token(ROBOT, "https://api.example.com").await;
    assert_eq!(of(custom.clone(), "api-k4qx7v2nza-uc.a.run.app").await, 200);
    assert_eq!(of(custom, HELLO).await, 401);
    api.let_in("orders", &format!("serviceAccount:{ROBOT}"), INVOKER).await;
    let tag = api.id_token(ROBOT, "https://canary---orders-k4qx7v2nza-uc.a.run.app").await;
    assert_eq!(of(tag, "canary---orders-k4qx7v2nza-uc.a.run.app").await, 401);
}

#[tokio::test]
async fn who_may_invoke_is_decided_by_every_policy_above_too() {
    let api = Api::new();
    let ana = api.id_token("ana@example.com", "").await;
    let auditor = api.id_token("auditor@example.com", "").await;
    let of = async |host: &str, path: &str, token: &str| {
        status(api.front("GET", host, path).bearer_auth(token)).await
    };
    // The owner of the project may invoke; who has no role may not.
    let you = api.id_token("you@example.com", "").await;
    assert_eq!(of(HELLO, "/", &you).await, 200);
    assert_eq!(of(HELLO, "/", &ana).await, 403);
    // A role on the folder counts for all that is below.
    let folder = "v3/folders/725218103497";
    let version = json!({"options": {"requestedPolicyVersion": 3}});
    let (_, mut policy) = api.post(&format!("{folder}:getIamPolicy"), version).await;
    let grant = json!({"role": "roles/run.servicesInvoker", "members": ["user:ana@example.com"]});
    policy["bindings"].as_array_mut().unwrap().push(grant);
    assert_eq!(api.post(&format!("{folder}:setIamPolicy"), json!({"policy": policy})).await.0, 200);
    assert_eq!(of(HELLO, "/", &ana).await, 200);
    // Conditions are weighed for each request.
    let billing = "billing-k4qx7v2nza-uc.a.run.app";
    assert_eq!(of(billing, "/reports/q1", &auditor).await, 200);
    assert_eq!(of(billing, "/", &auditor).await, 403);
    let contractor = api.id_token("contractor@example.com", "").await;
    assert_eq!(of(billing, "/", &contractor).await, 403);
    let leaver = api.id_token("leaver@example.com", "").await;
    assert_eq!(of(billing, "/", &leaver).await, 403);
    // Any account, and the organisation's domain.
    let stranger = api.id_token("someone@elsewhere.org", "").await;
    assert_eq!(of("reports-k4qx7v2nza-uc.a.run.app", "/", &stranger).await, 200);
    assert_eq!(of("api-k4qx7v2nza-uc.a.run.app", "/", &auditor).await, 200);
    assert_eq!(of("api-k4qx7v2nza-uc.a.run.app", "/", &stranger).await, 403);
    // A request for two hosts, or for one that cannot be, is for none.
    for host in ["a@hello.localhost", "hello.localhost..", "hello local"] {
        assert_eq!(of(host, "/", &you).await, 400, "{host}");
    }
    // Where a request comes from.
    let team = "backoffice-k4qx7v2nza-uc.a.run.app";
    assert_eq!(of(team, "/", &you).await, 404);
    let inside = api.front("GET", team, "/").bearer_auth(&you).header("X-Sandbox-From", "internal");
    let (code, echo) = seen(inside).await;
    assert_eq!(code, 200);
    assert_eq!(echo["headers"].get("x-sandbox-from"), None);
}

#[tokio::test]
async fn whoever_asks_gets_through_to_what_is_public() {
    let api = Api::new();
    for host in ["storefront-k4qx7v2nza-uc.a.run.app", "status-page-k4qx7v2nza-uc.a.run.app"] {
        for token in [None, Some("whatever"), Some("a.b.c")] {
            let mut request = api.front("GET", host, "/");
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let (code, echo) = seen(request).await;
            assert_eq!(code, 200, "{host} {token:?}");
            // Nobody has checked it, so it comes through as it is.
            assert_eq!(echo["headers"]["authorization"].as_str(), token.map(bearer).as_deref());
        }
    }
}

#[tokio::test]
async fn the_application_sees_what_cloud_run_shows_it() {
    let api = Api::new();
    api.let_in("hello", &format!("serviceAccount:{ROBOT}"), INVOKER).await;
    api.let_in("hello", "user:dev@x.com", INVOKER).await;
    let robot = api.id_token(ROBOT, &format!("https://{HELLO}")).await;
    let dev = api.id_token("dev@x.com", "").await;
    let unsigned = |token: &str| {
        bearer(&format!("{}.SIGNATURE_REMOVED_BY_GOOGLE", token.rsplit_once('.').unwrap().0))
    };
    // In its own header the token loses its signature, and the application's passes untouched.
    let both = api
        .front("POST", HELLO, "/x?y")
        .header("X-Serverless-Authorization", format!("bearer   {robot}"))
        .header("Authorization", "Basic eDp5")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-For", "203.0.113.10")
        .header("Connection", "close, x-secret")
        .header("X-Secret", "1")
        .body("some text");
    let (code, mut echo) = seen(both).await;
    assert_eq!(code, 200);
    let headers = echo["headers"].as_object_mut().unwrap();
    let serverless = headers["x-serverless-authorization"].as_str().unwrap().to_owned();
    assert!(
        serverless.ends_with(".SIGNATURE_REMOVED_BY_GOOGLE")
            && !serverless.contains(robot.rsplit('.').next().unwrap())
    );
    for name in ["x-serverless-authorization", "traceparent", "x-cloud-trace-context"] {
        assert!(headers.remove(name).is_some(), "{name}");
    }
    assert_snapshot!(serde_json::to_string_pretty(&echo).unwrap(), @r#"
    {
      "service": "hello",
      "region": "us-central1",
      "project": "sandbox-project",
      "tag": null,
      "protocol": "HTTP/1.1",
      "method": "POST",
      "path": "/x",
      "query": "y",
      "headers": {
        "host": "hello-k4qx7v2nza-uc.a.run.app",
        "forwarded": "for=\"127.0.0.1\";proto=https",
        "authorization": "Basic eDp5",
        "x-forwarded-for": "203.0.113.9,203.0.113.10,127.0.0.1",
        "accept": "*/*",
        "content-length": "9",
        "x-forwarded-proto": "https"
      },
      "body": {
        "size": 9,
        "text": "some text"
      }
    }
    "#);
    // Only the first counts.
    let bad_first = api
        .front("GET", HELLO, "/")
        .bearer_auth(&robot)
        .header("X-Serverless-Authorization", "Bearer a.b.c");
    assert_eq!(status(bad_first).await, 401);
    // A second one does not bring its signature through.
    let twice = api
        .front("GET", HELLO, "/")
        .header("X-Serverless-Authorization", bearer(&robot))
        .header("X-Serverless-Authorization", bearer(&robot));
    let (code, echo) = seen(twice).await;
    assert_eq!(code, 200);
    assert!(!echo.to_string().contains(robot.rsplit('.').next().unwrap()), "{echo}");
    // In `Authorization` a user's token loses its signature, a service account's keeps it.
    let shown = async |token: &str| {
        seen(api.front("GET", HELLO, "/").bearer_auth(token)).await.1["headers"]["authorization"]
            .clone()
    };
    assert_eq!(shown(&dev).await, unsigned(&dev));
    assert_eq!(shown(&robot).await, bearer(&robot));
}

#[tokio::test]
async fn http2_reaches_only_what_speaks_it() {
    let api = Api::new();
    let you = api.id_token("you@example.com", "").await;
    for (host, kind, protocol) in [
        (HELLO, "application/json", json!("HTTP/1.1")),
        ("chat-k4qx7v2nza-uc.a.run.app", "application/json", json!("HTTP/2")),
        // Answered in its own way, whatever the service's port says.
        (HELLO, "application/grpc", json!(null)),
    ] {
        let request = api.front("POST", host, "/").bearer_auth(&you).header("content-type", kind);
        let (code, echo) = seen(request).await;
        assert_eq!((code, &echo["protocol"]), (200, &protocol), "{host} {kind}");
    }
}

#[tokio::test]
async fn what_is_too_large_or_of_no_use_is_refused() {
    let api = Api::with(&["--set", "request-limit=1000"]);
    let you = api.id_token("you@example.com", "").await;
    let of = async |size: usize| {
        status(api.front("POST", HELLO, "/").bearer_auth(&you).body(vec![b'x'; size])).await
    };
    assert_eq!((of(1000).await, of(1001).await), (200, 413));
    let pieces = futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100])));
    let chunked = reqwest::Body::wrap_stream(pieces);
    let sent = api.front("POST", HELLO, "/").bearer_auth(&you).body(chunked).send().await;
    assert_eq!(sent.unwrap().status(), 413);
    assert_eq!(status(api.front("TRACE", HELLO, "/").bearer_auth(&you)).await, 405);
}

#[tokio::test]
async fn a_backend_of_the_users_own_answers_behind_the_check() {
    use axum_like::Backend;
    let backend = Backend::start().await;
    let option = format!("hello={}", backend.address);
    let api = Api::with(&["--backend", &option]);
    let you = api.id_token("you@example.com", "").await;
    assert_eq!(status(api.front("GET", HELLO, "/")).await, 403);
    let answer = api.front("GET", HELLO, "/own?x=1").bearer_auth(&you).send().await.unwrap();
    assert_eq!(answer.status(), 418);
    assert_eq!(answer.headers()["server"], "Google Frontend");
    assert_eq!(answer.text().await.unwrap(), "GET /own?x=1 HTTP/1.1");
    drop(backend);
    let gone = Api::with(&["--backend", "hello=http://127.0.0.1:1"]);
    let you = gone.id_token("you@example.com", "").await;
    assert_eq!(status(gone.front("GET", HELLO, "/").bearer_auth(&you)).await, 503);
}

mod axum_like {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    /// An application that answers with the first line of what it was asked.
    pub(super) struct Backend {
        pub(super) address: String,
    }

    impl Backend {
        pub(super) async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut line = String::new();
                    BufReader::new(&mut stream).read_line(&mut line).await.unwrap();
                    let body = line.trim();
                    let answer = format!(
                        "HTTP/1.1 418 T\r\nServer: own\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            Self { address }
        }
    }
}

#[tokio::test]
async fn what_is_not_certain_can_be_set_otherwise() {
    let tag = "https://canary---orders-k4qx7v2nza-uc.a.run.app";
    for (setting, code) in [
        ("ingress-status=403", 403),
        ("no-permission-status=404", 404),
        ("tag-audience=accepted", 200),
        ("audience-slash=refused", 401),
        ("access-token=accepted", 200),
        ("strip-authorization=always", 200),
        ("order=permission-first", 403),
        ("method-status=501", 501),
        ("disabled-url-status=403", 403),
        ("token-without-email=refused", 401),
    ] {
        let api = Api::with(&["--set", setting]);
        api.let_in("hello", &format!("serviceAccount:{ROBOT}"), INVOKER).await;
        api.let_in("orders", &format!("serviceAccount:{ROBOT}"), INVOKER).await;
        let dev = api.id_token("dev@x.com", "").await;
        let robot = async |audience: &str| api.id_token(ROBOT, audience).await;
        let hello = format!("https://{HELLO}");
        let request = match setting.split_once('=').unwrap().0 {
            "ingress-status" | "order" => {
                api.front("GET", "backoffice-k4qx7v2nza-uc.a.run.app", "/").bearer_auth(dev)
            }
            "no-permission-status" => api.front("GET", HELLO, "/").bearer_auth(dev),
            "tag-audience" => api
                .front("GET", "orders-k4qx7v2nza-uc.a.run.app", "/")
                .bearer_auth(robot(tag).await),
            "audience-slash" => {
                api.front("GET", HELLO, "/").bearer_auth(robot(&format!("{hello}/")).await)
            }
            "access-token" => {
                api.front("GET", HELLO, "/").bearer_auth(api.access_token(ROBOT).await)
            }
            "method-status" => api.front("TRACE", HELLO, "/"),
            "disabled-url-status" => api.front("GET", "catalog-k4qx7v2nza-uc.a.run.app", "/"),
            "token-without-email" => {
                let path = format!(
                    "computeMetadata/v1/instance/service-accounts/default/identity?audience={hello}"
                );
                let asked = api
                    .client
                    .get(format!("{}/{path}", api.serve.endpoint))
                    .header("Metadata-Flavor", "Google")
                    .send()
                    .await
                    .unwrap();
                api.front("GET", HELLO, "/").bearer_auth(asked.text().await.unwrap())
            }
            _ => api.front("GET", HELLO, "/").bearer_auth(robot(&hello).await),
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), code, "{setting}");
        let body = answer.text().await.unwrap();
        assert_eq!(body.contains("SIGNATURE_REMOVED"), setting.starts_with("strip"), "{setting}");
    }
}

#[tokio::test]
async fn tokens_end_when_they_say() {
    let api = Api::with(&["--set", "token-lifetime=1s"]);
    api.let_in("hello", "user:dev@x.com", INVOKER).await;
    let dev = api.id_token("dev@x.com", "").await;
    let said = claims(&dev);
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 1);
    // The clock decides, and nothing else: asked again and again, it is refused in the end.
    let refused =
        async { while status(api.front("GET", HELLO, "/").bearer_auth(&dev)).await != 401 {} };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
}

#[tokio::test]
async fn the_issuer_gives_each_kind_its_tokens() {
    let api = Api::new();
    let user = api.tokens("dev@x.com", &[]).await;
    let id = claims(user["id_token"].as_str().unwrap());
    assert_eq!((&id["aud"], &id["email"]), (&json!(GCLOUD), &json!("dev@x.com")));
    assert_eq!(user["expires_in"], 3600);
    // Whose key is gone, or never was.
    for (form, error) in [
        (
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", "1//other"),
                ("client_id", "c"),
            ],
            "invalid_grant",
        ),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", "a.b.c"),
            ],
            "invalid_grant",
        ),
    ] {
        let (code, answer) = api.form("token", &form).await;
        assert_eq!((code, &answer["error"]), (400, &json!(error)), "{form:?}");
    }
    // A user's audience is a client's, and no other can be had.
    let chosen = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "1//sandbox:dev@x.com"),
        ("client_id", "https://hello"),
    ];
    assert_eq!(api.form("token", &chosen).await.0, 401);
    // Federation, in both forms of a request.
    let audience = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/gh";
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", audience),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", "job-7"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "https://www.googleapis.com/auth/cloud-platform"),
    ];
    let (code, federated) = api.form("v1/token", &exchange).await;
    assert_eq!(code, 200, "{federated}");
    let principal = &claims(federated["access_token"].as_str().unwrap())["principal"];
    assert_eq!(
        principal,
        "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/job-7"
    );
    let service = "v2/projects/sandbox-project/locations/us-central1/services/hello";
    let token = federated["access_token"].as_str().unwrap();
    assert_eq!(api.send_as(token, "GET", service, None).await.0, 403);
    api.let_in("hello", principal.as_str().unwrap(), "roles/run.viewer").await;
    assert_eq!(api.send_as(token, "GET", service, None).await.0, 200);
    // The keys are public.
    let keys: Value = api
        .client
        .get(format!("{}/oauth2/v3/certs", api.serve.endpoint))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&keys["keys"][0]["alg"], &keys["keys"][0]["kty"]),
        (&json!("RS256"), &json!("RSA"))
    );
}

#[tokio::test]
async fn who_may_not_grant_may_not_turn_the_check_off() {
    let api = Api::new();
    let service = "v2/projects/sandbox-project/locations/us-central1/services/hello";
    let dev = api.access_token("dev@x.com").await;
    let patch = format!("{service}?updateMask=invokerIamDisabled");
    let off = json!({"invokerIamDisabled": true});
    api.let_in("hello", "user:dev@x.com", "roles/run.developer").await;
    let (code, answer) = api.send_as(&dev, "PATCH", &patch, Some(&off)).await;
    assert_eq!(code, 403);
    assert!(answer.to_string().contains("run.services.setIamPolicy"), "{answer}");
    let labels = json!({"labels": {"a": "b"}});
    assert_eq!(
        api.send_as(&dev, "PATCH", &format!("{service}?updateMask=labels"), Some(&labels)).await.0,
        200
    );
    api.let_in("hello", "user:dev@x.com", "roles/run.admin").await;
    assert_eq!(api.send_as(&dev, "PATCH", &patch, Some(&off)).await.0, 200);
}

#[tokio::test]
async fn an_assertion_is_for_an_hour_here_and_of_itself() {
    let api = Api::new();
    let (_, key) =
        api.post(&format!("v1/projects/-/serviceAccounts/{ROBOT}/keys"), json!({})).await;
    let text = base64::Engine::decode(
        &base64::prelude::BASE64_STANDARD,
        key["privateKeyData"].as_str().unwrap(),
    )
    .unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let now =
        i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let audience = file["token_uri"].as_str().unwrap();
    let good = json!({"iss": ROBOT, "sub": ROBOT, "aud": audience, "iat": now, "exp": now + 3600, "target_audience": "https://x"});
    let sign = |claims: &Value| {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
        header.kid = Some(file["private_key_id"].as_str().unwrap().to_owned());
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(
            file["private_key"].as_str().unwrap().as_bytes(),
        )
        .unwrap();
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    };
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    for (name, value, code) in [
        ("iss", json!(ROBOT), 200),
        ("aud", json!("https://evil.example/token"), 400),
        ("exp", json!(now + 360_000), 400),
        ("exp", json!(i64::MAX), 400),
        ("iat", json!(i64::MIN), 400),
        ("sub", json!("you@example.com"), 400),
        ("iss", json!("you@example.com"), 400),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        let (got, answer) =
            api.form("token", &[("grant_type", grant), ("assertion", &sign(&claims))]).await;
        assert_eq!(got, code, "{name} {}: {answer}", claims[name]);
    }
    // On an API a self-signed token is its account's.
    let mut claims = good.clone();
    claims["scope"] = json!("https://www.googleapis.com/auth/cloud-platform");
    let path = "v2/projects/sandbox-project/locations/us-central1/services/hello";
    assert_eq!(api.send_as(&sign(&claims), "GET", path, None).await.0, 403);
    api.let_in("hello", &format!("serviceAccount:{ROBOT}"), "roles/run.viewer").await;
    assert_eq!(api.send_as(&sign(&claims), "GET", path, None).await.0, 200);
}

#[tokio::test]
async fn the_metadata_server_answers_as_googles() {
    let api = Api::new();
    let get = async |path: &str, flavor: bool| {
        let mut request = api.client.get(format!("{}{path}", api.serve.endpoint));
        if flavor {
            request = request.header("Metadata-Flavor", "Google");
        }
        let answer = request.send().await.unwrap();
        let flavored =
            answer.headers().get("metadata-flavor").is_some_and(|value| value == "Google");
        (answer.status().as_u16(), flavored, answer.text().await.unwrap())
    };
    let accounts = "/computeMetadata/v1/instance/service-accounts/default";
    assert_eq!(get("/", true).await, (200, true, "computeMetadata/\n".to_owned()));
    assert_eq!(
        get(&format!("{accounts}/email"), true).await.2,
        "123456789012-compute@developer.gserviceaccount.com"
    );
    assert_eq!(get(&format!("{accounts}/email"), false).await.0, 403);
    assert_eq!(get("/computeMetadata/v1/nosuch", true).await.0, 404);
    assert_eq!(get("/computeMetadata/v1/project/project-id", true).await.2, "sandbox-project");
    let all: Value =
        serde_json::from_str(&get(&format!("{accounts}/?recursive=true"), true).await.2).unwrap();
    assert_eq!(all["email"], "123456789012-compute@developer.gserviceaccount.com");
    // As Google's library for Python asks, once it knows the address.
    let email = "123456789012-compute@developer.gserviceaccount.com";
    let by_email = format!("/computeMetadata/v1/instance/service-accounts/{email}/?recursive=true");
    let named: Value = serde_json::from_str(&get(&by_email, true).await.2).unwrap();
    assert_eq!(named["email"], email);
    let whole = get("/computeMetadata/v1/?recursive=true", true).await.2;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["instance"]["serviceAccounts"]["default"]["email"], email);
    let token: Value =
        serde_json::from_str(&get(&format!("{accounts}/token"), true).await.2).unwrap();
    assert_eq!(token["expires_in"], 3600);
    assert_eq!(get(&format!("{accounts}/identity"), true).await.0, 400);
    let full =
        get(&format!("{accounts}/identity?audience=https://{HELLO}&format=full"), true).await.2;
    assert_eq!(claims(&full)["email"], "123456789012-compute@developer.gserviceaccount.com");
    let bare = get(&format!("{accounts}/identity?audience=https://{HELLO}"), true).await.2;
    assert_eq!(claims(&bare).get("email"), None);
    // The compute account is an editor of its project, and so may invoke; with and without address.
    for token in [full, bare] {
        assert_eq!(status(api.front("GET", HELLO, "/").bearer_auth(token)).await, 200);
    }
}

#[tokio::test]
async fn acting_as_a_service_account_takes_the_permission() {
    let api = Api::new();
    let runner = "runner@sandbox-project.iam.gserviceaccount.com";
    let path =
        |account: &str, verb: &str| format!("v1/projects/-/serviceAccounts/{account}:{verb}");
    let id = json!({"audience": "https://x", "includeEmail": true});
    let dev = api.access_token("dev@x.com").await;
    // An owner has no such permission either.
    for token in ["opaque", dev.as_str()] {
        let (code, answer) =
            api.send_as(token, "POST", &path(ROBOT, "generateIdToken"), Some(&id)).await;
        assert_eq!(code, 403);
        assert_eq!(
            answer["error"]["message"],
            "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist)."
        );
    }
    let creator = |member: &str| json!({"policy": {"bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": [member]}]}});
    let (code, _) = api.post(&path(ROBOT, "setIamPolicy"), creator("user:dev@x.com")).await;
    assert_eq!(code, 200);
    let (code, answer) =
        api.send_as(&dev, "POST", &path(ROBOT, "generateIdToken"), Some(&id)).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(claims(answer["token"].as_str().unwrap())["email"], ROBOT);
    let access =
        json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "60s"});
    let (code, answer) =
        api.send_as(&dev, "POST", &path(ROBOT, "generateAccessToken"), Some(&access)).await;
    assert_eq!(code, 200);
    assert!(answer["expireTime"].as_str().unwrap().len() == 20, "{answer}");
    // By its unique id, and as Google's library for Python writes it.
    let (_, account) =
        api.send("GET", &format!("v1/projects/-/serviceAccounts/{ROBOT}"), None).await;
    let odd = json!({"audience": "https://x", "includeEmail": "true", "useEmailAzp": "true"});
    let by_id = path(account["uniqueId"].as_str().unwrap(), "generateIdToken");
    let (code, token) = api.send_as(&dev, "POST", &by_id, Some(&odd)).await;
    assert_eq!((code, &claims(token["token"].as_str().unwrap())["email"]), (200, &json!(ROBOT)));
    let nobody = path("nobody@sandbox-project.iam.gserviceaccount.com", "generateIdToken");
    let (_, refused) = api.send_as(&dev, "POST", &nobody, Some(&id)).await;
    assert!(refused.to_string().contains("iam.serviceAccounts.getOpenIdToken"), "{refused}");
    let said = claims(answer["accessToken"].as_str().unwrap());
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 60);
    // Through a delegate, each link is checked.
    let mut through = access.clone();
    through["delegates"] = json!([format!("projects/-/serviceAccounts/{ROBOT}")]);
    let chain = path(runner, "generateAccessToken");
    assert_eq!(api.send_as(&dev, "POST", &chain, Some(&through)).await.0, 403);
    let (code, _) =
        api.post(&path(runner, "setIamPolicy"), creator(&format!("serviceAccount:{ROBOT}"))).await;
    assert_eq!(code, 200);
    assert_eq!(api.send_as(&dev, "POST", &chain, Some(&through)).await.0, 200);
    assert_eq!(api.send_as(&dev, "POST", &chain, Some(&access)).await.0, 403);
}

#[tokio::test]
async fn the_apis_answer_by_who_asks() {
    let api = Api::new();
    let service = "v2/projects/sandbox-project/locations/us-central1/services/hello";
    let list = "v1/projects/sandbox-project/locations/-/services";
    let dev = api.access_token("dev@x.com").await;
    let policy = json!({"policy": {"bindings": []}});
    let asked = json!({"permissions": ["run.services.get", "run.routes.invoke", "run.services.setIamPolicy"]});
    let refused = async |method: &str,
                         path: String,
                         body: Option<&Value>,
                         permission: &str,
                         resource: &str| {
        let (code, answer) = api.send_as(&dev, method, &path, body).await;
        let message = format!(
            "Permission '{permission}' denied on resource '{resource}' (or resource may not exist)."
        );
        assert_eq!((code, &answer["error"]["message"]), (403, &json!(message)), "{method} {path}");
    };
    let full = "projects/sandbox-project/locations/us-central1/services/hello";
    let project = "projects/sandbox-project";
    refused("GET", service.to_owned(), None, "run.services.get", full).await;
    refused("GET", list.to_owned(), None, "run.services.list", project).await;
    refused("GET", format!("{service}:getIamPolicy"), None, "run.services.getIamPolicy", full)
        .await;
    refused(
        "POST",
        format!("{service}:setIamPolicy"),
        Some(&policy),
        "run.services.setIamPolicy",
        full,
    )
    .await;
    refused("PATCH", service.to_owned(), Some(&json!({})), "run.services.update", full).await;
    refused("GET", format!("v3/{project}"), None, "resourcemanager.projects.get", project).await;
    let tested = async || {
        api.send_as(&dev, "POST", &format!("{service}:testIamPermissions"), Some(&asked)).await
    };
    assert_eq!(tested().await, (200, json!({})));
    // The invoker may invoke, and still not look anything up.
    api.let_in("hello", "user:dev@x.com", INVOKER).await;
    assert_eq!(tested().await, (200, json!({"permissions": ["run.routes.invoke"]})));
    refused("GET", service.to_owned(), None, "run.services.get", full).await;
    api.let_in("hello", "user:dev@x.com", "roles/run.admin").await;
    assert_eq!(tested().await, (200, asked.clone()));
    assert_eq!(api.send_as(&dev, "GET", service, None).await.0, 200);
    assert_eq!(api.send_as(&dev, "GET", list, None).await.0, 403);
    // A bearer is judged by its form.
    let id = api.id_token("you@example.com", "").await;
    let access = api.access_token("you@example.com").await;
    let spoilt = tampered(&access, "principal", json!("user:root@example.com"));
    for (token, code) in [
        ("opaque", 200),
        (access.as_str(), 200),
        (id.as_str(), 401),
        (spoilt.as_str(), 401),
        ("a.b.c", 200),
    ] {
        assert_eq!(api.send_as(token, "GET", service, None).await.0, code, "{token}");
    }
    // A token that was one is none where its claims cannot be read.
    let mut parts: Vec<&str> = access.split('.').collect();
    let cut = format!("{}AAAAAA", &parts[1][..parts[1].len() - 6]);
    parts[1] = &cut;
    assert_eq!(api.send_as(&parts.join("."), "GET", service, None).await.0, 401);
    let strict = Api::with(&["--strict-auth"]);
    assert_eq!(strict.send_as("opaque", "GET", service, None).await.0, 401);
    let access = strict.access_token("you@example.com").await;
    assert_eq!(strict.send_as(&access, "GET", service, None).await.0, 200);
}

/// Where a request names a host in its address too, that one is judged, and no other is told to the
/// application.
#[tokio::test]
async fn the_host_that_is_judged_is_the_one_that_the_application_sees() {
    let api = Api::new();
    let through = reqwest::Proxy::http(&api.serve.endpoint).unwrap();
    let client = reqwest::Client::builder().proxy(through).build().unwrap();
    let public = "storefront-k4qx7v2nza-uc.a.run.app";
    let asked = client.get(format!("http://{public}/a")).header("Host", HELLO);
    let (code, echo) = seen(asked).await;
    assert_eq!((code, &echo["service"], &echo["path"]), (200, &json!("storefront"), &json!("/a")));
    assert_eq!(echo["headers"]["host"], public);
}

#[tokio::test]
async fn an_instance_is_guarded_by_its_own_permission() {
    let host = "shell-123456789012.us-central1.run.app";
    let home = "v2/projects/sandbox-project/locations/us-central1/instances";
    for (setting, role_of_instances, role_of_routes) in
        [(None, 200, 403), (Some("instance-permission=run.routes.invoke"), 200, 200)]
    {
        let options: Vec<&str> = setting.map(|it| vec!["--set", it]).unwrap_or_default();
        let api = Api::with(&options);
        assert_eq!(status(api.front("GET", host, "/")).await, 404);
        let body = json!({"containers": [{"image": "i"}]});
        let (_, operation) = api.post(&format!("{home}?instanceId=shell"), body).await;
        api.done(&operation).await;
        assert_eq!(status(api.front("GET", host, "/")).await, 403);
        let instance = format!("{home}/shell");
        let token = bearer(&api.id_token("dev@example.com", "").await);
        let call = || status(api.front("GET", host, "/").header("Authorization", &token));
        assert_eq!(call().await, 403);
        for (role, expected) in [
            ("roles/run.invoker", role_of_instances),
            ("roles/run.servicesInvoker", role_of_routes),
        ] {
            let policy = json!({"policy": {"bindings": [
                {"role": role, "members": ["user:dev@example.com"]}]}});
            assert_eq!(api.post(&format!("{instance}:setIamPolicy"), policy).await.0, 200);
            assert_eq!(call().await, expected, "{setting:?} {role}");
        }
        // A deny policy about the permission counts.
        let denied = if setting.is_none() { "instances" } else { "routes" };
        let rule = json!({"displayName": "No", "rules": [{"denyRule": {
            "deniedPrincipals": ["principal://goog/subject/dev@example.com"],
            "deniedPermissions": [format!("run.googleapis.com/{denied}.invoke")]}}]});
        let point = "cloudresourcemanager.googleapis.com%2Fprojects%2F123456789012";
        let path = format!("v2/policies/{point}/denypolicies?policyId=no-instances");
        let owner = json!({"policy": {"bindings": [
            {"role": "roles/run.invoker", "members": ["user:dev@example.com"]}]}});
        assert_eq!(api.post(&format!("{instance}:setIamPolicy"), owner).await.0, 200);
        assert_eq!(call().await, 200);
        let (code, answer) = api.post(&path, rule).await;
        assert_eq!(code, 200, "{answer}");
        assert_eq!(call().await, 403);
        // Public, by a grant or without the check, and out of reach.
        let change =
            json!({"invokerIamDisabled": true, "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY"});
        for (mask, expected) in [("invokerIamDisabled", 200), ("ingress", 404)] {
            let path = format!("{instance}?updateMask={mask}");
            assert_eq!(api.send("PATCH", &path, Some(&change)).await.0, 200);
            assert_eq!(status(api.front("GET", host, "/")).await, expected, "{mask}");
        }
    }
}

/// What is remembered of the world counts until it changes, and not a request longer.
#[tokio::test]
async fn each_change_counts_at_the_next_request() {
    let api = Api::new();
    let token = bearer(&api.id_token("gil@example.com", "").await);
    let call = || status(api.front("GET", HELLO, "/").header("Authorization", &token));
    let service = "v2/projects/sandbox-project/locations/us-central1/services/hello";
    assert_eq!((call().await, call().await), (403, 403));
    // By another process.
    let run = |words: &[&str]| assert_eq!(api.world.sandbox(words).status, 0, "{words:?}");
    run(&["grant", "gil@example.com", "hello"]);
    assert_eq!((call().await, call().await), (200, 200));
    run(&["revoke", "gil@example.com", "hello"]);
    assert_eq!(call().await, 403);
    // A role of one's own, and then what it holds.
    let roles = "v1/projects/sandbox-project/roles";
    let role = |held: &[&str]| json!({"title": "Caller", "includedPermissions": held});
    let made = json!({"roleId": "caller", "role": role(&["run.services.get"])});
    assert_eq!(api.post(roles, made).await.0, 200);
    let own = "projects/sandbox-project/roles/caller";
    run(&["grant", "gil@example.com", "hello", "--role", own, "--yes"]);
    assert_eq!(call().await, 403);
    for (held, expected) in [("run.routes.invoke", 200), ("run.services.get", 403)] {
        let path = format!("{roles}/caller");
        assert_eq!(api.send("PATCH", &path, Some(&role(&[held]))).await.0, 200);
        assert_eq!((call().await, call().await), (expected, expected), "{held}");
    }
    // A group, and then who is in it.
    let group = json!({"groupKey": {"id": "callers@example.com"}, "parent": "customers/C03xgje4y",
        "labels": {"cloudidentity.googleapis.com/groups.discussion_forum": ""}});
    let (code, made) = api.post("v1/groups?initialGroupConfig=EMPTY", group).await;
    assert_eq!(code, 200, "{made}");
    run(&["grant", "group:callers@example.com", "hello", "--yes"]);
    assert_eq!(call().await, 403);
    let memberships = format!("v1/{}/memberships", made["response"]["name"].as_str().unwrap());
    let member =
        json!({"preferredMemberKey": {"id": "gil@example.com"}, "roles": [{"name": "MEMBER"}]});
    let (code, joined) = api.post(&memberships, member).await;
    assert_eq!(code, 200, "{joined}");
    assert_eq!(call().await, 200);
    let membership = joined["response"]["name"].as_str().unwrap().to_owned();
    assert_eq!(api.send("DELETE", &format!("v1/{membership}"), None).await.0, 200);
    assert_eq!(call().await, 403);
    // A setting of the service, the service itself, and the whole world.
    let off = json!({"invokerIamDisabled": true});
    let path = format!("{service}?updateMask=invokerIamDisabled");
    assert_eq!(api.send("PATCH", &path, Some(&off)).await.0, 200);
    assert_eq!(call().await, 200);
    run(&["sandbox", "reset"]);
    assert_eq!(call().await, 403);
    assert_eq!(api.send("DELETE", service, None).await.0, 200);
    assert_eq!(call().await, 404);
}
