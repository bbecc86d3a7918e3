//! Rationales: those that askers wanted with their questions, and those that are asked for later. They come after the answers, and
//! never change one.

use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::calls::To;
use super::student::{Answered, Question, Wanted};
use super::{Desk, WISHES_MAX};
use crate::bundle::Bundle;
use crate::store::{self, Case, CaseId, Outcome, Parcel, Reasons};
use crate::triggers::{Key, Refusal};

impl Desk {
    /// Asks for the rationales that askers wanted with their questions, one at a time.
    pub(super) async fn explain_what_is_owed(&self) {
        if let Some(Some(case)) = self.step("look for rationales that are wanted", |batch| owed(batch)).await {
            self.ask_why(case, None);
        }
    }

    /// A rationale for a question that was answered before: the one that is kept, or one that the student writes now.
    pub(super) async fn explain(self: &Rc<Self>, key: Key, to: To) {
        let (client, id) = (key.client.clone(), key.id.clone());
        let found =
            self.step("look a case up", move |batch| batch.find(&client, &id).map(|case| case.map(Box::new))).await;
        let refusal = match found {
            None => Refusal::Unkept("the journal cannot be read now; ask again".to_owned()),
            Some(None) => {
                Refusal::Unknown("no such question; its answer may have been dropped to save space".to_owned())
            }
            Some(Some(case)) => match (&case.outcome, case.rationale(), self.bundle.borrow().as_deref()) {
                (None, ..) => Refusal::Conflict("the question is not answered yet; ask again".to_owned()),
                (_, Some(_), _) => {
                    self.tell_why(to, &case);
                    return;
                }
                (Some(Outcome::Answered(recorded)), None, Some(bundle))
                    if digest(bundle, &recorded.task) == recorded.student.sha256 =>
                {
                    if recorded.answer.is_empty() {
                        Refusal::Conflict("without an answer there are no reasons".to_owned())
                    } else if !case.question_kept {
                        Refusal::Conflict("the question was let go to save space".to_owned())
                    } else if self.wishes.borrow().len() >= WISHES_MAX {
                        Refusal::Unkept("too many reasons are wanted at once; ask again".to_owned())
                    } else {
                        self.ask_why(*case, Some(to));
                        return;
                    }
                }
                (Some(Outcome::Answered(_)), None, Some(_)) => {
                    Refusal::Conflict("another student gave the answer, and it is not here any more".to_owned())
                }
                (Some(Outcome::Answered(_)), None, None) => Refusal::Conflict("the student is not loaded".to_owned()),
                (Some(_), ..) => Refusal::Conflict("there is no answer to explain".to_owned()),
            },
        };
        self.tell_why_not(to, &key, refusal);
    }

    pub(super) fn ask_why(&self, case: Case, to: Option<To>) {
        let mut wishes = self.wishes.borrow_mut();
        let asked = wishes.contains_key(&case.id);
        wishes.entry(case.id).or_default().extend(to);
        if !asked {
            self.student.ask(Question {
                case: case.id,
                asked: Instant::now(),
                expires: None,
                task: case.asked.task,
                question: case.asked.question,
                wanted: Wanted::Rationale,
            });
        }
    }

    pub(super) async fn explained(self: &Rc<Self>, case: CaseId, answered: Answered<CaseId>) {
        let reasons = answered
            .explained
            .map(|explained| Reasons { text: explained.rationale.text, agreement: explained.agreement });
        let reasons = reasons.filter(|reasons| !reasons.text.is_empty());
        let now = SystemTime::now();
        let kept = self.step("write a rationale down", move |batch| {
            batch.rationale(case, reasons.as_ref(), now)?;
            batch.case(case)
        });
        let kept = kept.await;
        let wishes = self.wishes.borrow_mut().remove(&case).unwrap_or_default();
        if let Some(Some(kept)) = kept {
            for to in wishes {
                self.tell_why(to, &kept);
            }
            if kept.asked.wants_rationale {
                self.send(case, Parcel::Rationale).await;
                self.explain_what_is_owed().await;
            }
        }
    }
}

/// The oldest case whose asker waits for a rationale that is not written yet.
pub(super) fn owed(batch: &store::Batch<'_>) -> Result<Option<Case>, store::Error> {
    let case = batch.unexplained(None, 1)?.first().copied();
    Ok(case.map(|case| batch.case(case)).transpose()?.flatten())
}

/// Of the graph that answers a task: two students with the same one answer alike.
pub(super) fn digest(bundle: &Bundle, task: &str) -> String {
    bundle.task(task).map(|task| bundle.graph_sha256(task).to_owned()).unwrap_or_default()
}
