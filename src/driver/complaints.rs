//! What a client library complains of, until somebody asks.

/// Different complaints kept between two looks at them.
const MOST: usize = 32;

/// Texts, each once.
#[derive(Debug, Default)]
pub struct Complaints {
    texts: Vec<String>,
    dropped: u64,
}

impl Complaints {
    /// Keeps a complaint, unless it is there already.
    pub fn add(&mut self, text: String) {
        if self.texts.contains(&text) {
        } else if self.texts.len() < MOST {
            self.texts.push(text);
        } else {
            self.dropped += 1;
        }
    }

    /// Takes all of them.
    pub fn take(&mut self) -> Vec<String> {
        let mut texts = std::mem::take(&mut self.texts);
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            texts.push(format!("{dropped} more errors of the client library"));
        }
        texts
    }
}
