//! Chromium without a window, driven through its driver.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use crate::picture::Picture;
use crate::process::{self, Child};
use crate::temp::TempDir;

/// Whether Chromium and its driver can be run.
///
/// # Errors
/// What is missing, in words.
pub fn available() -> Result<(), String> {
    process::available("chromium").and(process::available("chromedriver"))
}

/// A browser with one page and a profile of its own; it ends when this is dropped, and with this process.
///
/// Its methods wait for an answer for as long as [`PATIENCE`].
#[derive(Debug)]
pub struct Browser {
    agent: Agent,
    /// Where the session is at the driver.
    session: String,
    _driver: Child,
    _profile: TempDir,
}

/// How long a browser may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What the browser wrote to its console.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `SEVERE`, `WARNING`, `INFO` or `DEBUG`.
    pub level: String,
    /// Who wrote it: `javascript`, `network`, `security`, `console-api` …
    pub source: String,
    /// What it says, with the address of its cause.
    pub text: String,
}

/// Keys that are no letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Key {
    Enter,
    Escape,
    Left,
    Up,
    Right,
    Down,
    Tab,
}

impl Browser {
    /// Starts a browser with a window of `width` by `height` pixels, which nobody sees.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(width: u32, height: u32) -> io::Result<Self> {
        let mut command = process::command("chromedriver")?;
        command.arg("--port=0");
        let driver = Child::spawn(command)?;
        let port: u16 = driver.wait_line(PATIENCE, |line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        })?;
        let profile = TempDir::new()?;
        let mut arguments = vec![
            "--headless=new".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
            "--no-first-run".to_owned(),
            "--mute-audio".to_owned(),
            "--disable-gpu".to_owned(),
            // Containers have little memory that processes share by name.
            "--disable-dev-shm-usage".to_owned(),
            // Nothing beyond this machine is asked for anything.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1".to_owned(),
        ];
        if rustix::process::geteuid().is_root() {
            // Chromium's sandbox is not for the superuser, as whom tests in containers run.
            arguments.push("--no-sandbox".to_owned());
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            // What went wrong is in the body.
            .http_status_as_error(false)
            .build()
            .new_agent();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments },
            "timeouts": { "script": PATIENCE.as_millis() as u64 },
        } } });
        let base = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { agent, session: base, _driver: driver, _profile: profile };
        let answer = browser.post("", &capabilities)?;
        let id =
            answer["sessionId"].as_str().ok_or_else(|| io::Error::other(format!("no session: {answer}")))?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    /// Goes to `url`, and returns when the page has loaded.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open(&self, url: &str) -> io::Result<()> {
        self.post("/url", &json!({ "url": url })).map(drop)
    }

    /// Goes back to the page before, as its button does.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn back(&self) -> io::Result<()> {
        self.post("/back", &json!({})).map(drop)
    }

    /// Runs `script`, the body of a function without arguments, in the page; returns what it returns, or what the promise
    /// comes to that it returns.
    ///
    /// # Errors
    /// If it throws.
    pub fn run(&self, script: &str) -> io::Result<Value> {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs `script` again and again until it returns anything but `null` and `false`, and returns that.
    ///
    /// # Errors
    /// If `timeout` is over, naming `what` was waited for and what the page then says; if the script throws.
    pub fn wait(&self, timeout: Duration, what: &str, script: &str) -> io::Result<Value> {
        let deadline = Instant::now() + timeout;
        loop {
            let late = Instant::now() >= deadline;
            let value = self.run(script)?;
            if !value.is_null() && value != false {
                return Ok(value);
            }
            if late {
                let page = self.run("return document.body.innerText").unwrap_or_default();
                let message = format!("waited {timeout:?} in vain: {what}; the page says {page}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// Presses a key and lets it go.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn press(&self, key: Key) -> io::Result<()> {
        // As WebDriver numbers them.
        self.tap(match key {
            Key::Tab => '\u{e004}',
            Key::Enter => '\u{e007}',
            Key::Escape => '\u{e00c}',
            Key::Left => '\u{e012}',
            Key::Up => '\u{e013}',
            Key::Right => '\u{e014}',
            Key::Down => '\u{e015}',
        })
    }

    /// Types `text`, one key after the other.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn type_text(&self, text: &str) -> io::Result<()> {
        text.chars().try_for_each(|letter| self.tap(letter))
    }

    /// Clicks the middle of the first element that `selector` is for.
    ///
    /// # Errors
    /// If there is none.
    pub fn click(&self, selector: &str) -> io::Result<()> {
        let element = self.post("/element", &json!({ "using": "css selector", "value": selector }))?;
        let id = element.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
        let id = id.ok_or_else(|| io::Error::other(format!("no element for {selector}: {element}")))?;
        self.post(&format!("/element/{id}/click"), &json!({})).map(drop)
    }

    /// What the first video or image that `selector` is for shows at this moment, scaled to `width` by `height` pixels.
    ///
    /// # Errors
    /// If there is none.
    pub fn picture(&self, selector: &str, width: u32, height: u32) -> io::Result<Picture> {
        let script = format!(
            "const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [{width}, {height}];
            const context = canvas.getContext('2d');
            context.drawImage(document.querySelector({}), 0, 0, {width}, {height});
            return [...context.getImageData(0, 0, {width}, {height}).data];",
            Value::from(selector)
        );
        let rgba = self.run(&script)?;
        let rgba: Vec<u8> = serde_json::from_value(rgba)?;
        let rgb = rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Ok(Picture::new(width, height, rgb))
    }

    /// What was written to the console since this was asked before.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn console(&self) -> io::Result<Vec<Entry>> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }))?;
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let entries = entries.as_array().into_iter().flatten();
        let entries = entries.map(|entry| Entry {
            level: text(entry, "level"),
            source: text(entry, "source"),
            text: text(entry, "message"),
        });
        Ok(entries.collect())
    }

    /// Calls a method of Chromium's developer tools, such as `Emulation.setEmulatedMedia`.
    ///
    /// # Errors
    /// If it fails.
    pub fn developer(&self, method: &str, parameters: &Value) -> io::Result<Value> {
        self.post("/goog/cdp/execute", &json!({ "cmd": method, "params": parameters }))
    }

    fn tap(&self, key: char) -> io::Result<()> {
        let key = key.to_string();
        let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        self.post("/actions", &actions).map(drop)
    }

    /// Sends a command to the session; returns the value in the answer.
    fn post(&self, command: &str, body: &Value) -> io::Result<Value> {
        let request = self.agent.post(format!("{}{command}", self.session));
        let response = request.header("content-type", "application/json").send(body.to_string());
        let text = response.and_then(|mut response| {
            response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string()
        });
        let text = text.map_err(|error| io::Error::other(format!("{command}: {error}")))?;
        let mut answer: Value = serde_json::from_str(&text)?;
        let value = answer["value"].take();
        match value["message"].as_str() {
            Some(message) if !value["error"].is_null() => {
                Err(io::Error::other(format!("{command}: {}", message.lines().next().unwrap_or_default())))
            }
            _ => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser and its many processes in order. If it cannot, they end with the driver.
        let _ = self.agent.delete(&self.session).call();
    }
}

const INTERVAL: Duration = Duration::from_millis(50);

const MAX_ANSWER_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::require;
    use crate::watchdog::Watchdog;

    #[test]
    fn a_page_is_opened_typed_into_and_asked() {
        require!(available());
        let _watchdog = Watchdog::start(PATIENCE * 3);
        let browser = Browser::spawn(800, 600).unwrap();
        browser.open("data:text/html,<title>hello</title><input autofocus><button>x</button>").unwrap();
        assert_eq!(browser.run("return document.title").unwrap(), "hello");
        browser.click("input").unwrap();
        browser.type_text("a1?").unwrap();
        assert_eq!(browser.run("return document.querySelector('input').value").unwrap(), "a1?");
        browser.run("addEventListener('keydown', (event) => document.title = event.key)").unwrap();
        browser.press(Key::Escape).unwrap();
        browser.wait(PATIENCE, "the key", "return document.title === 'Escape'").unwrap();
        assert_eq!(browser.run("return Promise.resolve(7)").unwrap(), 7);

        browser.open("about:blank").unwrap();
        browser.back().unwrap();
        browser.wait(PATIENCE, "the page before", "return document.querySelector('input') !== null").unwrap();

        browser.run("console.error('oh')").unwrap();
        let entries = browser.console().unwrap();
        assert!(
            entries.iter().any(|entry| entry.level == "SEVERE" && entry.text.contains("oh")),
            "{entries:?}"
        );
        assert!(browser.console().unwrap().is_empty());

        let error = browser.run("throw new Error('no such luck')").unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
        let error = browser.wait(Duration::ZERO, "what never comes", "return null").unwrap_err();
        assert!(error.to_string().contains("in vain: what never comes"), "{error}");
        assert!(browser.click("video").is_err());
    }
}
